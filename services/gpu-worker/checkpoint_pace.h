// When may the next recovery checkpoint be stored? Storing is to take at most one part in `cost` of
// the time: architecture.md's "every max(5 min, 20× the time to store one)". The engine keeps the
// five minutes, this keeps the rest.
#pragma once

#include "runtime/clock.h"

namespace tunesmith::gpu_worker {

// Pure. One thread at a time.
class CheckpointPace {
 public:
  explicit CheckpointPace(int cost) : cost_(cost) {}

  void stored(Clock::SteadyTime begun, Clock::SteadyTime ended) {
    due_ = begun + cost_ * (ended - begun);
  }
  Clock::SteadyTime due() const { return due_; }

 private:
  int cost_;
  Clock::SteadyTime due_{};
};

}  // namespace tunesmith::gpu_worker
