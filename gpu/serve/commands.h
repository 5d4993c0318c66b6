// The verbs `generate` and `logits` of tunesmith-engine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "failure.h"
#include "model/load_decoder.h"

namespace tunesmith::engine {

struct GenerateCommand {
  InferenceOptions model;
  std::filesystem::path data;    // file of conversations, or
  std::string prompt;            // one question of a user
  std::filesystem::path output;  // empty = standard output
  std::size_t max_new_tokens = 256;
  std::size_t batch = 16;
  int threads = 0;
};

// Answers every row of the data file (without its last assistant turn), or the prompt, and writes a
// JSON line {"index", "prompt", "completion", "expected"} for each, in the order in which the
// answers end. "prompt" is the last message asked. Failures: those of the model, the data,
// encode_prompt and generate; OutputNotWritable (permanent).
Result<void> run_generate(const GenerateCommand& command);

struct LogitsCommand {
  InferenceOptions model;
  std::filesystem::path tokens;  // JSON: list of lists of token ids
  std::filesystem::path output;  // safetensors: "logits.<i>" F32 [tokens, vocab] of each list
  int threads = 0;
};

// Failures: those of the model; TokensInvalid (permanent), DiskFull (transient).
Result<void> run_logits(const LogitsCommand& command);

}  // namespace tunesmith::engine
