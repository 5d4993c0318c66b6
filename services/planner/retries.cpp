#include "planner/retries.h"

namespace tunesmith::planner {

Result<void> wait_to_retry(const Failure& failure, Backoff& backoff, const Patience& patience) {
  const auto pause = backoff.next();
  if (patience.stop.stop_requested()) {
    return transient("Stopped", "the planner was asked to stop");
  }
  if (!patience.waits || patience.clock.steady_now() + pause >= patience.deadline) {
    return tl::unexpected(failure);
  }
  patience.on_retry(failure);
  if (!wait_for(pause, patience.stop)) {
    return transient("Stopped", "the planner was asked to stop");
  }
  return {};
}

}  // namespace tunesmith::planner
