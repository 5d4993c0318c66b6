// Several examples in one sequence, so that nothing is padded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/example.h"

namespace tunesmith::engine {

// Documents one after the other. Document d is tokens[document_starts[d], document_starts[d + 1])
// (the last one ends at tokens.size()); document_starts[0] = 0. No document may see another, and
// positions restart at each. is_target is 0 at every document's first token.
struct PackedSequence {
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> is_target;
  std::vector<std::int32_t> document_starts;
};

// Best-fit decreasing: longest example first (ties: the earlier one), each into the open sequence
// with the least room that still takes it (ties: the older one), else into a new one. An example
// longer than max_seq_length gets a sequence of its own, uncut. A pure function of the arguments:
// the sequences stand in the order in which they were opened.
std::vector<PackedSequence> pack_best_fit(std::span<const Example> examples,
                                          std::size_t max_seq_length);

// Every example as a sequence of its own, in order.
std::vector<PackedSequence> pack_one_each(std::span<const Example> examples);

}  // namespace tunesmith::engine
