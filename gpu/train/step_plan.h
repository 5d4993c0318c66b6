// Which sequences each optimizer step sees: a pure function of the data, the hyper-parameters and
// the step, so that a resumed run needs no more than the step's number.
#pragma once

#include <cstdint>
#include <vector>

#include "data/example.h"
#include "data/packing.h"
#include "formats/job.h"

namespace tunesmith::engine {

class StepPlan {
 public:
  using Sequences = std::vector<const PackedSequence*>;

  StepPlan(const std::vector<Example>& train, const HyperParameters& hyper);

  std::uint64_t total_steps() const { return total_steps_; }
  std::uint64_t steps_per_epoch() const { return steps_per_epoch_; }
  double epoch_of(std::uint64_t steps_done) const;

  // What step `step` (from 0) learns from, cut into passes. An epoch's last step has what is left.
  // The loss is averaged over the whole step, so passes need not be the user's micro-batches: they
  // are as long as the user's settings allow, per_device_train_batch_size * max_seq_length tokens.
  std::vector<Sequences> passes(std::uint64_t step);

  // Over all tokens and masks: a checkpoint of other data is refused.
  std::uint64_t digest() const;

 private:
  HyperParameters hyper_;
  std::vector<PackedSequence> sequences_;
  std::uint64_t steps_per_epoch_ = 0;
  std::uint64_t total_steps_ = 0;
  std::uint64_t ordered_epoch_ = ~std::uint64_t{0};
  std::vector<std::size_t> order_;
};

// Cuts a list of sequences, in order, into passes of at most `most_tokens` (one sequence at least).
std::vector<StepPlan::Sequences> cut_into_passes(const StepPlan::Sequences& sequences,
                                                 std::size_t most_tokens);

}  // namespace tunesmith::engine
