// The seam between the pipeline and where nodes come from: this machine, own nodes, Karpenter.
#pragma once

#include <string>

#include "provisioner/slots.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/planning.pb.h"

namespace tunesmith::provisioner {

// Puts what is wanted into the world and returns; NodesReady and NodesPending are announced when
// the world has it. Idempotent and thread-safe. All calls: Transient `BusUnavailable`.
class NodeProvider {
 public:
  virtual ~NodeProvider() = default;
  // Nodes for this plan; `since`: the pass of the newest change of the Workspace. Known already: it
  // is announced again in the pass of this event, unless it runs and nothing changed.
  virtual Result<void> want(const events::v1::PlanCleared& cleared, std::int64_t since,
                            const std::string& traceparent) = 0;
  // No longer wanted.
  virtual Result<void> release(const Release& wish) = 0;
  // Compares what is held with what counts now: after a start, and when KV `current` changed for
  // `uid` ("" = all).
  virtual Result<void> reconcile(const std::string& uid) = 0;
};

}  // namespace tunesmith::provisioner
