#include "data/packing.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

namespace tunesmith::engine {
namespace {

void append(PackedSequence& sequence, const Example& example) {
  sequence.document_starts.push_back(static_cast<std::int32_t>(sequence.tokens.size()));
  sequence.tokens.insert(sequence.tokens.end(), example.tokens.begin(), example.tokens.end());
  sequence.is_target.insert(sequence.is_target.end(), example.is_target.begin(),
                            example.is_target.end());
}

}  // namespace

std::vector<PackedSequence> pack_best_fit(std::span<const Example> examples,
                                          std::size_t max_seq_length) {
  std::vector<std::size_t> order(examples.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return examples[a].tokens.size() > examples[b].tokens.size();
  });
  std::vector<PackedSequence> sequences;
  std::set<std::pair<std::size_t, std::size_t>> open;  // (room left, index into sequences)
  for (const std::size_t i : order) {
    const std::size_t size = examples[i].tokens.size();
    const auto fit = open.lower_bound({size, 0});
    std::size_t room = std::max(max_seq_length, size);
    std::size_t target = sequences.size();
    if (fit != open.end()) {
      std::tie(room, target) = *fit;
      open.erase(fit);
    } else {
      sequences.emplace_back();
    }
    append(sequences[target], examples[i]);
    if (room > size) open.emplace(room - size, target);
  }
  return sequences;
}

std::vector<PackedSequence> pack_one_each(std::span<const Example> examples) {
  std::vector<PackedSequence> sequences(examples.size());
  for (std::size_t i = 0; i < examples.size(); ++i) append(sequences[i], examples[i]);
  return sequences;
}

}  // namespace tunesmith::engine
