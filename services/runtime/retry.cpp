#include "runtime/retry.h"

#include <algorithm>
#include <cmath>

namespace tunesmith {

std::chrono::milliseconds Backoff::next() {
  const double grown = static_cast<double>(policy_.first.count()) *
                       std::pow(policy_.factor, static_cast<double>(std::min(tries_, 1000)));
  const double base = std::min(grown, static_cast<double>(policy_.most.count()));
  ++tries_;
  std::uniform_real_distribution<double> scale(1.0 - policy_.jitter, 1.0 + policy_.jitter);
  return std::chrono::milliseconds(std::llround(base * scale(random_)));
}

bool wait_for(std::chrono::milliseconds time, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace tunesmith
