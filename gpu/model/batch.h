// Sequences laid end to end, ready for the decoder. Nothing is padded.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/packing.h"

namespace tunesmith::engine {

struct Batch {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> positions;        // restart at each document
  std::vector<std::int64_t> document_starts;  // and the end: documents + 1 entries
  // The rows whose next token counts, ascending, and that token.
  std::vector<std::int32_t> target_rows;
  std::vector<std::int32_t> targets;

  std::int64_t size() const { return static_cast<std::int64_t>(tokens.size()); }
  std::int64_t longest_document() const;
};

Batch make_batch(std::span<const PackedSequence* const> sequences);
// One document per prompt; the last row of each counts (its target is meaningless).
Batch make_prompt_batch(std::span<const std::vector<std::int32_t>> prompts);

}  // namespace tunesmith::engine
