// Trying again what may go away, within one stage and its deadline.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>

#include "runtime/clock.h"
#include "runtime/result.h"
#include "runtime/retry.h"

namespace tunesmith::planner {

// The bounds of everything the planner asks of the world for one plan. `clock` outlives it.
struct Patience {
  const Clock& clock;
  Clock::SteadyTime deadline;  // of the whole preflight
  std::chrono::milliseconds per_request{30'000};
  BackoffPolicy backoff{};
  std::stop_token stop;
  // Hears of each failure that is retried.
  std::function<void(const Failure&)> on_retry = [](const Failure&) {};
  bool waits = true;  // false: one try each, whoever calls comes again later
};

// Waits before the next try; the failure to give up with when the deadline comes first or a stop
// was requested.
Result<void> wait_to_retry(const Failure& failure, Backoff& backoff, const Patience& patience);

// Calls `attempt` until it succeeds, fails permanently, or patience is over.
template <typename T>
Result<T> with_retries(const Patience& patience, const std::function<Result<T>()>& attempt) {
  Backoff backoff(patience.backoff, 1);
  while (true) {
    auto result = attempt();
    if (result || result.error().failure_class != FailureClass::kTransient) {
      return result;
    }
    if (auto wait = wait_to_retry(result.error(), backoff, patience); !wait) {
      return tl::unexpected(wait.error());
    }
  }
}

}  // namespace tunesmith::planner
