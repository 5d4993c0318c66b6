// Data files in, training and evaluation examples out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/example.h"
#include "failure.h"
#include "text/message.h"
#include "text/tokenizer.h"

namespace tunesmith::engine {

// Names and meaning as in HyperParameters (schemas/tunesmith/events/v1/plan.proto).
struct DataOptions {
  double train_test_split = 1.0;      // (0, 1]: share of the examples that is trained on
  std::uint64_t seed = 42;            // of the split
  std::size_t max_seq_length = 2048;  // longer examples are cut at the end
  bool assistant_only_loss = true;
  std::uint64_t max_tokens = 2ULL << 30;  // of all examples: what indices of 32 bits can count
};

// What was found in the files.
struct DatasetReport {
  std::uint64_t rows = 0;                        // rows in all files
  std::uint64_t dropped_rows = 0;                // rows that gave no example
  std::map<std::string, std::uint64_t> dropped;  // reason → rows
  std::uint64_t cut_examples = 0;                // longer than max_seq_length
  std::uint64_t tokens = 0;                      // of all examples, after the cut
  std::uint64_t target_tokens = 0;
  std::size_t longest = 0;  // tokens of the longest example before the cut
  std::string layout;       // "messages", "prompt-completion" or "text"
};

// Both splits keep the order of the files. train is never empty; eval is empty when
// train_test_split is 1 or there is only one example.
struct Dataset {
  std::vector<Example> train;
  std::vector<Example> eval;
  DatasetReport report;
};

// Reads all files (parquet, jsonl, json, csv; told apart by content, then by ending) in order; all
// must have the same layout. Conversations are rendered with the chat template; prompt/completion
// strings are joined and closed with EOS, as is text. The split takes the examples whose place in
// shuffled_indices(n, seed, kSplitStream) is >= floor(n·train_test_split) for evaluation.
// Permanent failures: DataNotReadable, DataFormatUnknown, NoUsableColumn, DataEmpty,
// NoTrainableTokens (no example has a target, with the commonest reason), ChatTemplateMissing,
// MixedLayouts, DataTooLarge, TrainingConfigInvalid (options out of their ranges).
Result<Dataset> load_dataset(std::span<const std::filesystem::path> files,
                             const DataOptions& options, const Tokenizer& tokenizer);

// What to ask and what is expected, for generation.
struct Conversation {
  std::vector<Message> prompt;  // empty for prompt/completion strings and text
  std::string prompt_text;      // used when prompt is empty
  std::string expected;         // the last assistant turn, or the completion; may be empty
};

// The same files as questions. A conversation that ends with an assistant turn is asked without
// it; other rows have no expectation. Failures as load_dataset but for NoTrainableTokens.
Result<std::vector<Conversation>> load_conversations(std::span<const std::filesystem::path> files);

// Tokens of the question, encoded exactly as the beginning of a training example.
Result<std::vector<std::int32_t>> encode_prompt(const Conversation& conversation,
                                                const Tokenizer& tokenizer);

}  // namespace tunesmith::engine
