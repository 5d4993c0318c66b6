// Text to tokens and back, and conversations to text, exactly as Hugging Face's tokenizers and
// transformers' apply_chat_template do it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "failure.h"
#include "text/message.h"

namespace tunesmith::engine {

// Bytes [begin, end) of a text.
struct ByteSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool operator==(const ByteSpan&) const = default;
};

// A conversation as the model sees it.
struct RenderedChat {
  std::string text;
  // What the assistant said, each turn including its end-of-turn token, ascending, not overlapping.
  std::vector<ByteSpan> assistant;
};

// Tokens with the bytes of the text they came from; tokens that the tokenizer added (BOS) have an
// empty span. tokens.size() == spans.size().
struct Encoding {
  std::vector<std::int32_t> tokens;
  std::vector<ByteSpan> spans;
};

// A model's tokenizer and chat template. Move-only; all const members may be called from several
// threads at once. Texts must be UTF-8 (Failure TextNotUtf8).
class Tokenizer {
 public:
  // Reads tokenizer.json, tokenizer_config.json, special_tokens_map.json, config.json,
  // generation_config.json and chat_template.jinja; all but the first are optional.
  // Fails with TokenizerNotReadable or ChatTemplateInvalid (permanent).
  static Result<Tokenizer> load(const std::filesystem::path& model_dir);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // add_special_tokens: put BOS (and what else the model's post-processor adds) around the text,
  // never a second BOS when the text brings its own.
  Result<std::vector<std::int32_t>> encode(std::string_view text, bool add_special_tokens) const;
  Result<Encoding> encode_with_spans(std::string_view text, bool add_special_tokens) const;

  // Text of the tokens; invalid UTF-8 sequences become U+FFFD. Fails with TokenOutOfRange on a
  // negative id; ids that are not in the vocabulary give no text.
  Result<std::string> decode(std::span<const std::int32_t> tokens, bool skip_special) const;

  // Renders the model's chat template. Fails with ChatTemplateMissing when the model has none and
  // with ChatTemplateRefused when the template refuses these messages.
  Result<std::string> render(std::span<const Message> messages, bool add_generation_prompt) const;

  // As render, and says what the assistant said: from the template's {% generation %} tags when it
  // has them, else by rendering the beginnings of the conversation, else (the template rewrites the
  // past) by rendering with marks in the assistant's contents. Fails with ChatTemplateNotTrainable
  // when all of these contradict the rendering itself, so that no mask can be derived.
  // Encode the result with add_special_tokens = false: the template writes its own BOS.
  Result<RenderedChat> render_chat(std::span<const Message> messages,
                                   bool add_generation_prompt) const;

  bool has_chat_template() const;
  std::optional<std::int32_t> bos_id() const;
  std::optional<std::int32_t> eos_id() const;
  // The pad token of the model, which may be equal to EOS. We never pad: here for others' formats.
  std::optional<std::int32_t> pad_id() const;
  // Tokens that end an answer: EOS and all of generation_config.json's and config.json's
  // eos_token_id. Ascending, without repetition.
  std::span<const std::int32_t> stop_ids() const;
  // Id of a token by its exact text, e.g. "<|im_end|>".
  std::optional<std::int32_t> token_id(std::string_view token) const;
  // Number of tokens with the added ones: all ids are below it.
  std::size_t vocab_size() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tunesmith::engine
