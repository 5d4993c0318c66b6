#include "model/batch.h"

#include <algorithm>

namespace tunesmith::engine {
namespace {

void append_document(Batch& batch, std::span<const std::int32_t> tokens) {
  batch.document_starts.push_back(batch.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    batch.tokens.push_back(tokens[i]);
    batch.positions.push_back(static_cast<std::int32_t>(i));
  }
}

}  // namespace

std::int64_t Batch::longest_document() const {
  std::int64_t longest = 0;
  for (std::size_t i = 0; i + 1 < document_starts.size(); ++i) {
    longest = std::max(longest, document_starts[i + 1] - document_starts[i]);
  }
  return longest;
}

Batch make_batch(std::span<const PackedSequence* const> sequences) {
  Batch batch;
  for (const PackedSequence* sequence : sequences) {
    const auto first_row = static_cast<std::int32_t>(batch.size());
    const std::span<const std::int32_t> tokens(sequence->tokens);
    for (std::size_t d = 0; d < sequence->document_starts.size(); ++d) {
      const auto begin = static_cast<std::size_t>(sequence->document_starts[d]);
      const std::size_t end = d + 1 < sequence->document_starts.size()
                                  ? static_cast<std::size_t>(sequence->document_starts[d + 1])
                                  : tokens.size();
      append_document(batch, tokens.subspan(begin, end - begin));
    }
    for (std::size_t i = 1; i < tokens.size(); ++i) {
      if (sequence->is_target[i] == 0) continue;
      batch.target_rows.push_back(first_row + static_cast<std::int32_t>(i) - 1);
      batch.targets.push_back(tokens[i]);
    }
  }
  batch.document_starts.push_back(batch.size());
  return batch;
}

Batch make_prompt_batch(std::span<const std::vector<std::int32_t>> prompts) {
  Batch batch;
  for (const auto& prompt : prompts) {
    append_document(batch, prompt);
    batch.target_rows.push_back(static_cast<std::int32_t>(batch.size()) - 1);
    batch.targets.push_back(0);
  }
  batch.document_starts.push_back(batch.size());
  return batch;
}

}  // namespace tunesmith::engine
