// Ends a job when its Workspace's generation no longer counts, or when the service stops.
#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

#include "bus/current.h"
#include "runtime/any_stop.h"

namespace tunesmith::bus {

// Watches KV `current` on a thread of its own, which it joins, for as long as it lives; long work
// runs under `token()` and so stops within seconds. While the bus refuses to be watched it tries
// again every second. `current` outlives it. Thread-safe.
class StandingWatch {
 public:
  StandingWatch(KeyValue& current, const events::v1::WorkspaceRef& workspace,
                std::stop_token service_stop);

  std::stop_token token() const { return job_.token(); }
  bool superseded() const { return superseded_; }

 private:
  AnyStop job_;
  std::atomic<bool> superseded_ = false;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace tunesmith::bus
