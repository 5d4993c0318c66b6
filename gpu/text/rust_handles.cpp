#include "text/rust_handles.h"

namespace tunesmith::engine::rust {
namespace {

std::string take(tsm_string string) {
  std::string text(string.data == nullptr ? "" : string.data, string.size);
  tsm_string_free(string);
  return text;
}

tl::unexpected<std::string> failure(tsm_string error) { return tl::unexpected(take(error)); }

}  // namespace

RustResult<TokenizerHandle> new_tokenizer(std::string_view json) {
  tsm_tokenizer* out = nullptr;
  tsm_string error{};
  if (tsm_tokenizer_new(json.data(), json.size(), &out, &error) != 0) return failure(error);
  return TokenizerHandle(out);
}

RustResult<TemplateHandle> new_template(std::string_view source) {
  tsm_template* out = nullptr;
  tsm_string error{};
  if (tsm_template_new(source.data(), source.size(), &out, &error) != 0) return failure(error);
  return TemplateHandle(out);
}

RustResult<std::string> render(const tsm_template& chat_template, std::string_view variables,
                               bool mark) {
  tsm_string out{};
  tsm_string error{};
  if (tsm_template_render(&chat_template, variables.data(), variables.size(), mark, &out, &error) !=
      0) {
    return failure(error);
  }
  return take(out);
}

RustResult<Encoding> encode(const tsm_tokenizer& tokenizer, std::string_view text,
                            bool add_special_tokens, bool with_spans) {
  tsm_encoding out{};
  tsm_string error{};
  if (tsm_encode(&tokenizer, text.data(), text.size(), add_special_tokens, with_spans, &out,
                 &error) != 0) {
    return failure(error);
  }
  Encoding encoding;
  encoding.tokens.assign(out.ids, out.ids + out.count);
  if (with_spans) {
    encoding.spans.reserve(out.count);
    for (std::size_t i = 0; i < out.count; ++i) {
      encoding.spans.push_back({.begin = out.begins[i], .end = out.ends[i]});
    }
  }
  tsm_encoding_free(out);
  return encoding;
}

RustResult<std::string> decode(const tsm_tokenizer& tokenizer, std::span<const std::int32_t> tokens,
                               bool skip_special) {
  const std::vector<std::uint32_t> ids(tokens.begin(), tokens.end());
  tsm_string out{};
  tsm_string error{};
  if (tsm_decode(&tokenizer, ids.data(), ids.size(), skip_special, &out, &error) != 0) {
    return failure(error);
  }
  return take(out);
}

}  // namespace tunesmith::engine::rust
