// WorkspaceObserved → TuningPlanned or PlanRejected.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>

#include "bus/connection.h"
#include "bus/held_events.h"
#include "planner/metrics.h"
#include "planner/pending_notice.h"
#include "planner/preflight.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "workspace/validate.h"

namespace tunesmith::planner {

// What the handlers work with. All outlive them.
struct PlannerParts {
  bus::Publisher& publisher;
  bus::KeyValue& current;
  bus::KeyValue& plans;
  PreflightTools tools;
  workspace::ValidationOptions validation;
  std::function<Inventory()> inventory;  // where it would run; thread-safe
  const Clock& clock;
  Metrics& metrics;
  Log log;
  std::chrono::milliseconds request_limit{30'000};
  std::chrono::milliseconds preflight_limit{600'000};
  std::chrono::milliseconds config_map_limit{600'000};  // for the one that the Workspace names
  BackoffPolicy backoff{};
};

// Thread-safe.
class Handlers {
 public:
  explicit Handlers(PlannerParts parts) : parts_(std::move(parts)) {}

  // The plan of this uid and generation is made once: later passes announce the stored one, byte
  // for byte but for the permission to overwrite its output.
  bus::Disposition on_workspace_observed(const bus::IncomingEvent& incoming, std::stop_token stop);

 private:
  Result<events::v1::Plan> plan_for(const events::v1::WorkspaceObserved& observed,
                                    Clock::SteadyTime deadline, std::stop_token stop);
  Result<events::v1::Plan> with_permission(const events::v1::WorkspaceObserved& observed,
                                           events::v1::Plan plan);
  Result<events::v1::Plan> store(const events::v1::WorkspaceRef& workspace,
                                 const events::v1::Plan& plan);
  Result<std::optional<events::v1::Plan>> stored(const events::v1::WorkspaceRef& workspace);
  // For what no longer counts: nothing stays of a deleted Workspace.
  bus::Disposition drop(const events::v1::WorkspaceRef& workspace);
  bus::Disposition announce(const events::v1::WorkspaceRef& workspace,
                            const Result<events::v1::Plan>& plan, const std::string& traceparent);

  // What is remembered of an event between its tries.
  struct Waiting {
    Clock::SteadyTime since;
    Backoff backoff;
    PendingNotice notice;
  };
  // To be tried again when the world may have changed: the event waits, no thread does. Nothing
  // when that makes no sense, or no longer does.
  std::optional<bus::Disposition> try_later(Waiting& waiting, const Failure& failure,
                                            const Log& log);

  const PlannerParts parts_;
  bus::HeldEvents<Waiting> held_;
};

}  // namespace tunesmith::planner
