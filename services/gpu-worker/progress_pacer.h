// When progress is announced: at most once per interval, a change of phase at once, and again from
// time to time while nothing changes, so that silence always means trouble.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>

namespace tunesmith::gpu_worker {

struct ProgressTimes {
  std::chrono::milliseconds at_most_every{2'000};
  std::chrono::milliseconds at_least_every{30'000};
};

// Pure. One thread at a time.
class ProgressPacer {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit ProgressPacer(ProgressTimes times) : times_(times) {}

  void changed(const std::string& phase) {
    changed_ = true;
    urgent_ = urgent_ || phase != phase_;
    phase_ = phase;
  }
  void announced(Time now) {
    changed_ = urgent_ = false;
    announced_before_ = true;
    announced_at_ = now;
  }

  bool anything_to_say() const { return changed_; }
  // From when on the next announcement is due if nothing more changes; Time::max() before the first
  // change.
  Time due() const {
    if (!announced_before_) return changed_ ? Time::min() : Time::max();
    if (urgent_) return Time::min();
    return announced_at_ + (changed_ ? times_.at_most_every : times_.at_least_every);
  }

 private:
  ProgressTimes times_;
  std::string phase_;
  bool changed_ = false;
  bool urgent_ = false;
  bool announced_before_ = false;
  Time announced_at_{};
};

}  // namespace tunesmith::gpu_worker
