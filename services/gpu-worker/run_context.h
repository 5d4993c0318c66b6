// What the steps of one run share: whose it is, where it tells of itself, how it waits for room.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "progress.h"
#include "runtime/log.h"
#include "runtime/result.h"
#include "runtime/retry.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"
#include "worker_parts.h"

namespace tunesmith::gpu_worker {

// What ends by itself when somebody makes room. It is waited for without a limit, as a worker is.
bool lacks_room(const Failure& failure);

// All that it names outlives it. One thread at a time, but for `progress` and `log`.
struct RunContext {
  const WorkerParts& parts;
  const Log& log;
  const events::v1::NodesReady& nodes;
  const std::string& traceparent;
  ProgressAnnouncer& progress;

  const events::v1::Plan& plan() const { return nodes.plan(); }
  const events::v1::WorkspaceRef& workspace() const { return nodes.workspace(); }
  std::string bucket() const { return "ws-" + workspace().uid(); }

  void tell_phase(const char* phase) const;
  void tell_waiting(const Failure& why) const;

  // Tries again for as long as there is no room for what `attempt` writes; the status says so
  // meanwhile. What `attempt` gave, or Transient `Stopped`.
  template <typename Attempt>
  auto with_room(std::stop_token stop, const Attempt& attempt) const -> decltype(attempt()) {
    Backoff backoff(parts.options.attempt_backoff, std::hash<std::string>{}(workspace().uid()));
    while (true) {
      auto result = attempt();
      if (result || !lacks_room(result.error())) {
        if (backoff.tries() > 0) progress.update({});  // waits no more
        return result;
      }
      log.warning("waiting for room",
                  {{"reason", result.error().reason}, {"detail", result.error().message}});
      tell_waiting(result.error());
      if (!wait_for(backoff.next(), stop)) return transient("Stopped", "stopped without room");
    }
  }
};

}  // namespace tunesmith::gpu_worker
