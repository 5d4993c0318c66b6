// Owners of what the Rust crate hands out, and its errors as Failures.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "failure.h"
#include "text/tokenizer.h"
#include "text/tunesmith_text.h"

namespace tunesmith::engine::rust {

struct FreeTokenizer {
  void operator()(tsm_tokenizer* p) const { tsm_tokenizer_free(p); }
};
struct FreeTemplate {
  void operator()(tsm_template* p) const { tsm_template_free(p); }
};
using TokenizerHandle = std::unique_ptr<tsm_tokenizer, FreeTokenizer>;
using TemplateHandle = std::unique_ptr<tsm_template, FreeTemplate>;

// Errors are the crate's own words.
template <typename T>
using RustResult = tl::expected<T, std::string>;

RustResult<TokenizerHandle> new_tokenizer(std::string_view json);
RustResult<TemplateHandle> new_template(std::string_view source);
RustResult<std::string> render(const tsm_template& chat_template, std::string_view variables,
                               bool mark);
// The spans are empty unless asked for.
RustResult<Encoding> encode(const tsm_tokenizer& tokenizer, std::string_view text,
                            bool add_special_tokens, bool with_spans);
RustResult<std::string> decode(const tsm_tokenizer& tokenizer, std::span<const std::int32_t> tokens,
                               bool skip_special);

}  // namespace tunesmith::engine::rust
