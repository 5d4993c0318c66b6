#include "text/chat_spans.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/tunesmith_text.h"

namespace tunesmith::engine {
namespace {

constexpr std::string_view kBegin = TSM_GENERATION_BEGIN;
constexpr std::string_view kEnd = TSM_GENERATION_END;
constexpr std::string_view kSpace = " \t\r\n\f\v";
constexpr const char* kReason = "ChatTemplateNotTrainable";

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// End of the stop token at `at`, behind white space or not; npos when none stands there.
std::size_t stop_token_end(std::string_view text, std::size_t at,
                           std::span<const std::string> stops, bool skip_space) {
  if (skip_space) at = std::min(text.find_first_not_of(kSpace, at), text.size());
  std::size_t end = std::string_view::npos;
  for (const std::string& stop : stops) {
    if (!stop.empty() && text.substr(at).starts_with(stop)) {
      end = end == std::string_view::npos ? at + stop.size() : std::max(end, at + stop.size());
    }
  }
  return end;
}

std::size_t first_stop_token_end(std::string_view text, std::size_t from,
                                 std::span<const std::string> stops) {
  std::size_t first = std::string_view::npos;
  for (const std::string& stop : stops) {
    if (!stop.empty()) first = std::min(first, text.find(stop, from));
  }
  return first == std::string_view::npos ? first : stop_token_end(text, first, stops, false);
}

// End of the turn whose content is somewhere in text[start, bound).
std::size_t turn_end(std::string_view text, std::size_t start, std::size_t bound,
                     std::string_view content, std::span<const std::string> stops) {
  const std::string_view region = text.substr(0, bound);
  const std::string_view wanted = trim(content);
  const std::size_t found = region.find(wanted, start);
  // A template may change what is said (cut out thoughts, for example): then only a stop token
  // tells where the turn ends.
  if (found == std::string_view::npos) return first_stop_token_end(region, start, stops);
  const std::size_t content_end = found + wanted.size();
  const std::size_t stop_end = stop_token_end(region, content_end, stops, true);
  return stop_end == std::string_view::npos ? content_end : stop_end;
}

}  // namespace

std::optional<RenderedChat> take_marks(std::string_view marked) {
  RenderedChat chat;
  bool inside = false;
  while (true) {
    const std::string_view expected = inside ? kEnd : kBegin;
    const std::size_t at = std::min(marked.find(kBegin), marked.find(kEnd));
    chat.text += marked.substr(0, at);
    if (at == std::string_view::npos) break;
    if (!marked.substr(at).starts_with(expected)) return std::nullopt;
    if (inside) {
      chat.assistant.back().end = chat.text.size();
    } else {
      chat.assistant.push_back({.begin = chat.text.size(), .end = chat.text.size()});
    }
    inside = !inside;
    marked.remove_prefix(at + expected.size());
  }
  if (inside || chat.assistant.empty()) return std::nullopt;
  return chat;
}

Result<std::vector<ByteSpan>> spans_by_beginnings(std::string_view text,
                                                  std::span<const Message> messages,
                                                  std::span<const std::string> stop_texts,
                                                  const RenderBeginning& render_beginning) {
  std::vector<std::size_t> turns;
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "assistant") continue;
    auto beginning = render_beginning(i);
    if (!beginning) return tl::unexpected(beginning.error());
    const bool in_order = starts.empty() || beginning->size() >= starts.back();
    if (!in_order || !text.starts_with(*beginning)) {
      return permanent(kReason,
                       fmt::format("the chat template renders the messages before message {} "
                                   "differently when the conversation goes on, so it cannot be "
                                   "told what the assistant said; a template with generation tags "
                                   "or assistant_only_loss: false helps",
                                   i + 1));
    }
    turns.push_back(i);
    starts.push_back(beginning->size());
  }
  std::vector<ByteSpan> spans;
  for (std::size_t k = 0; k < turns.size(); ++k) {
    const std::size_t bound = k + 1 < starts.size() ? starts[k + 1] : text.size();
    const std::size_t end =
        turn_end(text, starts[k], bound, messages[turns[k]].content, stop_texts);
    if (end == std::string_view::npos) {
      return permanent(kReason, fmt::format("the chat template does not show where the "
                                            "assistant's message {} ends: neither its content nor "
                                            "an end-of-turn token was found",
                                            turns[k] + 1));
    }
    spans.push_back({.begin = starts[k], .end = end});
  }
  return spans;
}

std::vector<Message> mark_contents(std::span<const Message> messages) {
  std::vector<Message> marked(messages.begin(), messages.end());
  for (Message& message : marked) {
    if (message.role != "assistant") continue;
    const std::string_view core = trim(message.content);
    const std::size_t begin =
        core.empty() ? 0 : static_cast<std::size_t>(core.data() - message.content.data());
    message.content.insert(begin + core.size(), kEnd);
    message.content.insert(begin, kBegin);
  }
  return marked;
}

void include_stop_tokens(std::string_view text, std::span<const std::string> stop_texts,
                         bool behind_space, std::vector<ByteSpan>& spans) {
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const std::size_t end = stop_token_end(text, spans[i].end, stop_texts, behind_space);
    const std::size_t bound = i + 1 < spans.size() ? spans[i + 1].begin : text.size();
    if (end != std::string_view::npos && end <= bound) spans[i].end = end;
  }
}

}  // namespace tunesmith::engine
