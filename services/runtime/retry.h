// Waiting between tries: exponential back-off with jitter, ended by a stop or a deadline.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <random>
#include <stop_token>

namespace tunesmith {

struct BackoffPolicy {
  std::chrono::milliseconds first{250};
  std::chrono::milliseconds most{30'000};
  double factor = 2.0;
  double jitter = 0.2;  // each wait is scaled by a random factor in [1 - jitter, 1 + jitter]
};

// Deterministic for a given seed. One thread at a time.
class Backoff {
 public:
  explicit Backoff(BackoffPolicy policy, std::uint64_t seed) : policy_(policy), random_(seed) {}
  std::chrono::milliseconds next();
  void reset() { tries_ = 0; }
  int tries() const { return tries_; }

 private:
  BackoffPolicy policy_;
  std::mt19937_64 random_;
  int tries_ = 0;
};

// Sleeps until the time is over or a stop is requested; true when it slept through.
bool wait_for(std::chrono::milliseconds time, std::stop_token stop);

}  // namespace tunesmith
