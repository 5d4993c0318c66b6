#include "planner/handlers.h"

#include <algorithm>

#include "bus/standing_watch.h"
#include "planner/planned_before.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"

namespace tunesmith::planner {
namespace {

constexpr std::chrono::seconds kBusRetry{2};
// The events that follow carry the plan and more; an event has at most 256 KiB.
constexpr std::size_t kLargestPlanBytes = 224u << 10;

std::string plan_key(const events::v1::WorkspaceRef& workspace) {
  return workspace.uid() + "." + std::to_string(workspace.generation());
}

bool is_bus_trouble(const Failure& failure) { return failure.reason == "BusUnavailable"; }

}  // namespace

Result<std::optional<events::v1::Plan>> Handlers::stored(
    const events::v1::WorkspaceRef& workspace) {
  const auto entry = parts_.plans.get(plan_key(workspace));
  if (!entry) {
    return tl::unexpected(entry.error());
  }
  if (!*entry) {
    return std::nullopt;
  }
  events::v1::Plan plan;
  if (!plan.ParseFromString((*entry)->value) || plan.tuning_key().empty()) {
    parts_.log.error("a stored plan cannot be read, it is made again",
                     {{"key", plan_key(workspace)}});
    if (auto removed = parts_.plans.remove(plan_key(workspace)); !removed) {
      return tl::unexpected(removed.error());
    }
    return std::nullopt;
  }
  return plan;
}

// Whoever came first wins: two planners, or a redelivered event, give one plan.
Result<events::v1::Plan> Handlers::store(const events::v1::WorkspaceRef& workspace,
                                         const events::v1::Plan& plan) {
  const auto created = parts_.plans.create(plan_key(workspace), plan.SerializeAsString());
  if (created) {
    return plan;
  }
  if (created.error().reason != "KeyExists") {
    return tl::unexpected(created.error());
  }
  const auto first = stored(workspace);
  if (!first) {
    return tl::unexpected(first.error());
  }
  return first->value_or(plan);
}

// The permission to overwrite may come after the plan; the provisioner reads the stored one.
Result<events::v1::Plan> Handlers::with_permission(const events::v1::WorkspaceObserved& observed,
                                                   events::v1::Plan plan) {
  const bool allowed = allows_replacing(observed);
  if (plan.output().replace_tag() == allowed) {
    return plan;
  }
  plan.mutable_output()->set_replace_tag(allowed);
  if (auto put = parts_.plans.put(plan_key(observed.workspace()), plan.SerializeAsString()); !put) {
    return tl::unexpected(put.error());
  }
  return plan;
}

Result<events::v1::Plan> Handlers::plan_for(const events::v1::WorkspaceObserved& observed,
                                            Clock::SteadyTime deadline, std::stop_token stop) {
  auto request = read_request(observed, parts_.validation);
  if (!request) {
    return tl::unexpected(request.error());
  }
  const auto before = planned_before(observed.status_json(), observed.workspace().generation());
  if (before && !before->model_revision.empty()) {
    request->model.revision = before->model_revision;
  }
  const Patience patience{
      .clock = parts_.clock,
      .deadline = deadline,
      .per_request = parts_.request_limit,
      .backoff = parts_.backoff,
      .stop = std::move(stop),
      .waits = false,
  };
  auto facts = preflight(*request, parts_.tools, patience);
  if (!facts) {
    return tl::unexpected(facts.error());
  }
  Inventory where = parts_.inventory();
  if (before) {
    restore(*before, *facts);
    where.placement = before->instance_type.empty() ? where.placement : before->instance_type;
  }
  const auto plan = make_plan(*request, *facts, where);
  if (!plan) {
    return tl::unexpected(plan.error());
  }
  return store(observed.workspace(), *plan);
}

bus::Disposition Handlers::on_workspace_observed(const bus::IncomingEvent& incoming,
                                                 std::stop_token stop) {
  const auto observed = bus::decode<events::v1::WorkspaceObserved>(incoming);
  if (!observed) {
    return bus::Disposition::dead(observed.error());
  }
  const auto& workspace = observed->workspace();
  const auto standing = bus::standing(parts_.current, workspace);
  if (!standing) {
    return bus::Disposition::retry(kBusRetry);
  }
  if (*standing != bus::Standing::kCurrent) {
    held_.settled(incoming.id);
    return drop(workspace);
  }
  const auto before = stored(workspace);
  if (!before) {
    return bus::Disposition::retry(kBusRetry);
  }
  if (*before) {
    parts_.metrics.plan("repeated");
    const auto again = with_permission(*observed, **before);
    if (!again) {
      return bus::Disposition::retry(kBusRetry);
    }
    return announce(workspace, *again, incoming.traceparent);
  }
  const Log log = parts_.log.with({{"workspace", workspace.namespace_() + "/" + workspace.name()},
                                   {"generation", static_cast<long>(workspace.generation())},
                                   {"event", incoming.id}});
  const auto begin = parts_.clock.steady_now();
  Result<events::v1::Plan> plan;
  bool superseded = false;
  const auto waiting = held_.of(incoming.id, [&] {
    return std::make_shared<Waiting>(
        Waiting{begin, Backoff(parts_.backoff, std::hash<std::string>{}(incoming.id)),
                PendingNotice(parts_.publisher, incoming, workspace)});
  });
  {
    const bus::StandingWatch watch(parts_.current, workspace, stop);
    plan = plan_for(*observed, waiting->since + parts_.preflight_limit, watch.token());
    superseded = watch.superseded();
  }
  if (!plan && !superseded && !stop.stop_requested()) {
    if (is_bus_trouble(plan.error())) {
      return bus::Disposition::retry(kBusRetry);
    }
    if (const auto later = try_later(*waiting, plan.error(), log)) {
      return *later;
    }
  }
  held_.settled(incoming.id);
  if (superseded) {
    return drop(workspace);
  }
  if (!plan && stop.stop_requested()) {
    return bus::Disposition::hand_back();
  }
  parts_.metrics.took(std::chrono::duration<double>(parts_.clock.steady_now() - begin).count());
  parts_.metrics.plan(plan ? "made" : plan.error().reason);
  if (plan) {
    log.info("planned", {{"tuning_key", plan->tuning_key()}});
  } else {
    log.warning("plan rejected",
                {{"reason", plan.error().reason}, {"detail", plan.error().message}});
  }
  return announce(workspace, plan, incoming.traceparent);
}

// A ConfigMap that comes late is a pass of its own: its wait only has to end when it does not come.
std::optional<bus::Disposition> Handlers::try_later(Waiting& waiting, const Failure& failure,
                                                    const Log& log) {
  const bool config_map = failure.reason == "TrainingConfigMissing";
  if (!config_map && failure.failure_class != FailureClass::kTransient) {
    return std::nullopt;
  }
  const auto limit = config_map ? parts_.config_map_limit : parts_.preflight_limit;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(waiting.since + limit -
                                                                 parts_.clock.steady_now());
  if (left.count() <= 0) {
    return std::nullopt;
  }
  parts_.metrics.retry(failure.reason);
  waiting.notice.waiting({FailureClass::kTransient, failure.reason, failure.message});
  log.warning("planning is tried again", {{"reason", failure.reason}, {"detail", failure.message}});
  return bus::Disposition::retry(config_map ? left : std::min(waiting.backoff.next(), left));
}

// The clean-up may have come before the plan was stored.
bus::Disposition Handlers::drop(const events::v1::WorkspaceRef& workspace) {
  const auto standing = bus::standing(parts_.current, workspace);
  if (!standing) {
    return bus::Disposition::retry(kBusRetry);
  }
  if (*standing == bus::Standing::kDeleting && !parts_.plans.remove(plan_key(workspace))) {
    return bus::Disposition::retry(kBusRetry);
  }
  return bus::Disposition::done();
}

bus::Disposition Handlers::announce(const events::v1::WorkspaceRef& workspace,
                                    const Result<events::v1::Plan>& plan,
                                    const std::string& traceparent) {
  const auto standing = bus::standing(parts_.current, workspace);
  if (!standing) {
    return bus::Disposition::retry(kBusRetry);
  }
  if (*standing != bus::Standing::kCurrent) {
    return drop(workspace);
  }
  if (plan && plan->ByteSizeLong() > kLargestPlanBytes) {
    return announce(
        workspace,
        permanent("EventTooLarge",
                  "the plan has " + std::to_string(plan->ByteSizeLong()) + " bytes, at most " +
                      std::to_string(kLargestPlanBytes) +
                      " fit into an event: name fewer data files, e.g. put together what is in "
                      "small ones"),
        traceparent);
  }
  Result<void> sent;
  if (plan) {
    events::v1::TuningPlanned planned;
    *planned.mutable_workspace() = workspace;
    *planned.mutable_plan() = *plan;
    sent = parts_.publisher.publish(bus::make_event(planned, "", traceparent));
  } else {
    events::v1::PlanRejected rejected;
    *rejected.mutable_workspace() = workspace;
    *rejected.mutable_failure() = bus::to_proto(plan.error());
    sent = parts_.publisher.publish(bus::make_event(rejected, "", traceparent));
  }
  if (!sent && sent.error().failure_class == FailureClass::kPermanent) {
    return bus::Disposition::dead(sent.error());
  }
  return sent ? bus::Disposition::done() : bus::Disposition::retry(kBusRetry);
}

}  // namespace tunesmith::planner
