#include "data/examples.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

namespace tunesmith::engine {
namespace {

using Built = std::variant<Dropped, BuiltExample>;

bool overlaps(const ByteSpan& token, const ByteSpan& span) {
  return token.begin < span.end && token.end > span.begin && token.begin < token.end;
}

bool is_stop(const Tokenizer& tokenizer, std::int32_t token) {
  const auto stops = tokenizer.stop_ids();
  return std::binary_search(stops.begin(), stops.end(), token);
}

// The model must learn to stop: a turn that ends in no stop token is closed with EOS.
void close_with_eos(const Tokenizer& tokenizer, Example& example) {
  if (!tokenizer.eos_id()) return;
  if (!example.tokens.empty() && is_stop(tokenizer, example.tokens.back())) return;
  example.tokens.push_back(*tokenizer.eos_id());
  example.is_target.push_back(1);
}

// Marks the tokens of the spans, which are ascending; the last span ends in a stop token, or the
// example is cut behind it and closed.
void mark_spans(const Encoding& encoding, std::span<const ByteSpan> spans,
                const Tokenizer& tokenizer, Example& example) {
  std::size_t last = 0;
  std::size_t current = 0;
  for (std::size_t i = 0; i < encoding.tokens.size(); ++i) {
    while (current < spans.size() && encoding.spans[i].begin >= spans[current].end) ++current;
    if (current == spans.size()) break;
    if (!overlaps(encoding.spans[i], spans[current])) continue;
    example.is_target[i] = 1;
    last = i;
  }
  if (last == 0 || is_stop(tokenizer, example.tokens[last])) return;
  example.tokens.resize(last + 1);
  example.is_target.resize(last + 1);
  close_with_eos(tokenizer, example);
}

bool has_answer(const ChatRow& row) {
  const auto learnt = std::span(row.messages).subspan(row.prompt_size);
  return std::any_of(learnt.begin(), learnt.end(),
                     [](const Message& message) { return message.role == "assistant"; });
}

Built finish(Example example, const DataOptions& options) {
  BuiltExample built{.example = std::move(example), .full_size = 0};
  auto& [tokens, is_target] = built.example;
  built.full_size = tokens.size();
  if (tokens.size() > options.max_seq_length) {
    tokens.resize(options.max_seq_length);
    is_target.resize(options.max_seq_length);
  }
  if (!is_target.empty()) is_target[0] = 0;
  if (std::find(is_target.begin(), is_target.end(), 1) == is_target.end()) {
    const bool cut = built.full_size > tokens.size();
    return Dropped{cut ? "nothing to learn within max_seq_length" : "no token to learn"};
  }
  return built;
}

Result<Built> build_chat(const ChatRow& row, const DataOptions& options,
                         const Tokenizer& tokenizer) {
  const auto drop = [](const Failure& failure) -> Result<Built> {
    const bool of_row =
        failure.reason == "ChatTemplateRefused" || failure.reason == "ChatTemplateNotTrainable";
    if (of_row) return Dropped{failure.message};
    return tl::unexpected(failure);
  };
  if (options.assistant_only_loss && !has_answer(row)) return Dropped{"no assistant turn"};
  RenderedChat chat;
  if (options.assistant_only_loss || row.prompt_size > 0) {
    auto rendered = tokenizer.render_chat(row.messages, false);
    if (!rendered) return drop(rendered.error());
    chat = *std::move(rendered);
  } else {
    auto text = tokenizer.render(row.messages, false);
    if (!text) return drop(text.error());
    chat.text = *std::move(text);
  }
  const auto encoding = tokenizer.encode_with_spans(chat.text, false);
  if (!encoding) return tl::unexpected(encoding.error());
  Example example{.tokens = encoding->tokens, .is_target = {}};
  if (!options.assistant_only_loss && row.prompt_size == 0) {
    example.is_target.assign(example.tokens.size(), 1);
    return finish(std::move(example), options);
  }
  // Of a conversation that is given as prompt and completion, only the completion's turns count.
  const auto given = std::count_if(
      row.messages.begin(), row.messages.begin() + static_cast<std::ptrdiff_t>(row.prompt_size),
      [](const Message& message) { return message.role == "assistant"; });
  const std::size_t skipped = std::min(static_cast<std::size_t>(given), chat.assistant.size());
  example.is_target.assign(example.tokens.size(), 0);
  mark_spans(*encoding, std::span(chat.assistant).subspan(skipped), tokenizer, example);
  return finish(std::move(example), options);
}

Result<Built> build_completion(const CompletionRow& row, const DataOptions& options,
                               const Tokenizer& tokenizer) {
  const auto encoding = tokenizer.encode_with_spans(row.prompt + row.completion, true);
  if (!encoding) return tl::unexpected(encoding.error());
  Example example{.tokens = encoding->tokens, .is_target = {}};
  for (const ByteSpan& span : encoding->spans) {
    example.is_target.push_back(span.end > row.prompt.size() && span.end > span.begin ? 1 : 0);
  }
  close_with_eos(tokenizer, example);
  return finish(std::move(example), options);
}

Result<Built> build_text(const TextRow& row, const DataOptions& options,
                         const Tokenizer& tokenizer) {
  auto tokens = tokenizer.encode(row.text, true);
  if (!tokens) return tl::unexpected(tokens.error());
  Example example{.tokens = *std::move(tokens), .is_target = {}};
  example.is_target.assign(example.tokens.size(), 1);
  close_with_eos(tokenizer, example);
  return finish(std::move(example), options);
}

}  // namespace

Result<Built> build_example(const Row& row, const DataOptions& options,
                            const Tokenizer& tokenizer) {
  if (const auto* bad = std::get_if<BadRow>(&row)) return Dropped{bad->why};
  if (const auto* chat = std::get_if<ChatRow>(&row)) return build_chat(*chat, options, tokenizer);
  if (const auto* pair = std::get_if<CompletionRow>(&row)) {
    return build_completion(*pair, options, tokenizer);
  }
  return build_text(std::get<TextRow>(row), options, tokenizer);
}

}  // namespace tunesmith::engine
