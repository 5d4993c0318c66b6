// Greedy generation for many prompts at once.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "failure.h"
#include "model/decoder.h"

namespace tunesmith::engine {

struct GenerateOptions {
  std::size_t max_new_tokens = 64;
  std::size_t batch = 8;                   // sequences that are continued together
  std::span<const std::int32_t> stop_ids;  // end an answer and are not a part of it
};

using Tokens = std::vector<std::int32_t>;
// Called once per prompt, in the order in which the answers end.
using AnswerSink = std::function<void(std::size_t index, const Tokens& answer)>;

// The likeliest token at every step (the lowest id among equals) until a stop token, max_new_tokens
// or the model's longest position. Prompts may have different lengths; each is independent of the
// others it happens to be batched with but for rounding. Failure (permanent): PromptTooLong,
// PromptEmpty, VocabularyMismatch.
Result<void> generate(Decoder& decoder, std::span<const Tokens> prompts,
                      const GenerateOptions& options, const AnswerSink& sink);

}  // namespace tunesmith::engine
