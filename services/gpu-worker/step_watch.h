// When is a silent engine stuck? After max(floor, some number × the median step), architecture.md's
// "a training step".
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

namespace tunesmith::gpu_worker {

// Pure: fed with the times at which the engine said something. One thread at a time.
class StepWatch {
 public:
  StepWatch(std::chrono::milliseconds floor, int steps) : floor_(floor), steps_(steps) {}

  void heard(std::chrono::steady_clock::time_point now) {
    if (heard_before_) gaps_.push_back(now - last_);
    if (gaps_.size() > kRemembered) gaps_.erase(gaps_.begin());
    last_ = now;
    heard_before_ = true;
  }

  std::chrono::steady_clock::duration patience() const {
    if (gaps_.empty()) return floor_;
    auto sorted = gaps_;
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    return std::max<std::chrono::steady_clock::duration>(floor_, steps_ * *middle);
  }

 private:
  static constexpr std::size_t kRemembered = 101;
  std::chrono::steady_clock::duration floor_;
  int steps_;
  std::vector<std::chrono::steady_clock::duration> gaps_;
  std::chrono::steady_clock::time_point last_{};
  bool heard_before_ = false;
};

}  // namespace tunesmith::gpu_worker
