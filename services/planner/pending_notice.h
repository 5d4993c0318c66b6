// PlanPending events of one preflight: what it waits for.
#pragma once

#include <cstdint>
#include <string>

#include "bus/event.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/common.pb.h"

namespace tunesmith::planner {

// One thread at a time. Worth losing: failures to publish are ignored. `publisher` outlives it.
class PendingNotice {
 public:
  PendingNotice(bus::Publisher& publisher, const bus::IncomingEvent& cause,
                events::v1::WorkspaceRef workspace);

  // Announced unless the last call had the same reason.
  void waiting(const Failure& failure);

 private:
  bus::Publisher& publisher_;
  const events::v1::WorkspaceRef workspace_;
  const std::string traceparent_;
  std::uint64_t sequence_;
  std::string reason_;
};

}  // namespace tunesmith::planner
