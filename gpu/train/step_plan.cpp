#include "train/step_plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/rng.h"

namespace tunesmith::engine {
namespace {

std::uint64_t divide_up(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }

}  // namespace

StepPlan::StepPlan(const std::vector<Example>& train, const HyperParameters& hyper)
    : hyper_(hyper),
      sequences_(hyper.packing ? pack_best_fit(train, hyper.max_seq_length)
                               : pack_one_each(train)) {
  const std::uint64_t micro_batches =
      divide_up(sequences_.size(), hyper.per_device_train_batch_size);
  steps_per_epoch_ = divide_up(micro_batches, hyper.gradient_accumulation_steps);
  total_steps_ = hyper.max_steps > 0
                     ? hyper.max_steps
                     : static_cast<std::uint64_t>(std::ceil(hyper.num_train_epochs *
                                                            static_cast<double>(steps_per_epoch_)));
}

double StepPlan::epoch_of(std::uint64_t steps_done) const {
  return static_cast<double>(steps_done) / static_cast<double>(steps_per_epoch_);
}

std::vector<StepPlan::Sequences> StepPlan::passes(std::uint64_t step) {
  const std::uint64_t epoch = step / steps_per_epoch_;
  if (epoch != ordered_epoch_) {
    if (hyper_.shuffle_dataset) {
      order_ = epoch_order(sequences_.size(), hyper_.seed, epoch);
    } else {
      order_.resize(sequences_.size());
      std::iota(order_.begin(), order_.end(), std::size_t{0});
    }
    ordered_epoch_ = epoch;
  }
  const std::uint64_t per_step = static_cast<std::uint64_t>(hyper_.per_device_train_batch_size) *
                                 hyper_.gradient_accumulation_steps;
  const std::uint64_t begin = step % steps_per_epoch_ * per_step;
  const std::uint64_t end = std::min<std::uint64_t>(begin + per_step, order_.size());
  Sequences sequences;
  for (std::uint64_t i = begin; i < end; ++i) sequences.push_back(&sequences_[order_[i]]);
  return cut_into_passes(sequences,
                         std::size_t{hyper_.per_device_train_batch_size} * hyper_.max_seq_length);
}

// FNV-1a (Fowler, Noll, Vo) over 64-bit words: an identity check, not a protection.
std::uint64_t StepPlan::digest() const {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  const auto add = [&hash](std::uint64_t word) { hash = (hash ^ word) * 0x100000001B3ULL; };
  for (const PackedSequence& sequence : sequences_) {
    add(sequence.tokens.size());
    for (std::size_t i = 0; i < sequence.tokens.size(); ++i) {
      add(static_cast<std::uint64_t>(sequence.tokens[i]) << 1 | sequence.is_target[i]);
    }
    for (const std::int32_t start : sequence.document_starts) {
      add(static_cast<std::uint64_t>(start));
    }
  }
  return hash;
}

std::vector<StepPlan::Sequences> cut_into_passes(const StepPlan::Sequences& sequences,
                                                 std::size_t most_tokens) {
  std::vector<StepPlan::Sequences> passes;
  std::size_t used = 0;
  for (const PackedSequence* sequence : sequences) {
    if (passes.empty() || used + sequence->tokens.size() > most_tokens) {
      passes.emplace_back();
      used = 0;
    }
    used += sequence->tokens.size();
    passes.back().push_back(sequence);
  }
  return passes;
}

}  // namespace tunesmith::engine
