/* C ABI of the Rust crate in this folder: Hugging Face's tokenizers and a Jinja renderer.
 *
 * Functions that can fail return 0, or 1 and a message in *error, which the caller frees with
 * tsm_string_free. Results are written only on success and are the caller's to free. Handles are
 * immutable: any number of threads may use one at once. Nothing unwinds out of these functions.
 * Texts are UTF-8 and not terminated; sizes are in bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NOLINTBEGIN(modernize-use-using): a C header */
typedef struct tsm_tokenizer tsm_tokenizer;
typedef struct tsm_template tsm_template;

typedef struct {
  char* data;
  size_t size;
} tsm_string;

/* count ids; begins and ends are byte offsets into the text, NULL when not asked for. */
typedef struct {
  uint32_t* ids;
  uint32_t* begins;
  uint32_t* ends;
  size_t count;
} tsm_encoding;
/* NOLINTEND(modernize-use-using) */

/* Put into the text by tsm_template_render(mark = true); keep equal to src/chat_template.rs. */
#define TSM_GENERATION_BEGIN "\xef\xb7\x90tsm-generation\xef\xb7\x91"
#define TSM_GENERATION_END "\xef\xb7\x91tsm-generation\xef\xb7\x90"

/* json: the content of a tokenizer.json. */
int32_t tsm_tokenizer_new(const char* json, size_t size, tsm_tokenizer** out, tsm_string* error);
void tsm_tokenizer_free(tsm_tokenizer* tokenizer);
int32_t tsm_encode(const tsm_tokenizer* tokenizer, const char* text, size_t size,
                   bool add_special_tokens, bool with_spans, tsm_encoding* out, tsm_string* error);
void tsm_encoding_free(tsm_encoding encoding);
int32_t tsm_decode(const tsm_tokenizer* tokenizer, const uint32_t* ids, size_t count,
                   bool skip_special, tsm_string* out, tsm_string* error);
/* -1 when there is no such token. */
int64_t tsm_token_to_id(const tsm_tokenizer* tokenizer, const char* text, size_t size);
/* One more than the highest id. */
size_t tsm_vocab_size(const tsm_tokenizer* tokenizer);

int32_t tsm_template_new(const char* source, size_t size, tsm_template** out, tsm_string* error);
void tsm_template_free(tsm_template* chat_template);
bool tsm_template_has_generation(const tsm_template* chat_template);
/* variables: a JSON object. mark: write TSM_GENERATION_BEGIN and _END where the template has its
 * generation tags. */
int32_t tsm_template_render(const tsm_template* chat_template, const char* variables, size_t size,
                            bool mark, tsm_string* out, tsm_string* error);

void tsm_string_free(tsm_string string);

#ifdef __cplusplus
}
#endif
