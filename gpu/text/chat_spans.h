// Which bytes of a rendered conversation the assistant said. Pure functions on texts.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "failure.h"
#include "text/message.h"
#include "text/tokenizer.h"

namespace tunesmith::engine {

// Removes the generation marks from a text that was rendered with them; nullopt when they are not
// balanced, or when there are none.
std::optional<RenderedChat> take_marks(std::string_view marked);

// Renders the first n messages with a generation prompt.
using RenderBeginning = std::function<Result<std::string>(std::size_t n)>;

// Spans of the assistant turns in `text`, the rendering of all messages: a turn begins where the
// rendering of what was said before it (with generation prompt) ends, and runs to the end of the
// stop token that follows its content. Fails with ChatTemplateNotTrainable when a beginning is not
// a prefix of the whole, or when the content of a turn is not there.
Result<std::vector<ByteSpan>> spans_by_beginnings(std::string_view text,
                                                  std::span<const Message> messages,
                                                  std::span<const std::string> stop_texts,
                                                  const RenderBeginning& render_beginning);

// The messages with generation marks around what the assistant says (inside its outer white space,
// which templates trim). Rendered and given to take_marks, this finds the turns where the template
// rewrites the past, as Mistral's does, which moves the system message to the last question.
std::vector<Message> mark_contents(std::span<const Message> messages);

// Lengthens each span by a stop token that stands right behind it (or behind white space): the end
// of the turn is learnt whether or not the template counts it as said by the assistant.
void include_stop_tokens(std::string_view text, std::span<const std::string> stop_texts,
                         bool behind_space, std::vector<ByteSpan>& spans);

}  // namespace tunesmith::engine
