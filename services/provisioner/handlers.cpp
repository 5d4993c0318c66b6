#include "provisioner/handlers.h"

#include "bus/current.h"
#include "bus/results.h"
#include "runtime/text.h"

namespace tunesmith::provisioner {
namespace {

constexpr std::chrono::seconds kBusRetry{2};
constexpr std::chrono::seconds kCleanupRetry{5};

bus::Disposition done_or_retry(const Result<void>& result) {
  if (result) {
    return bus::Disposition::done();
  }
  return result.error().failure_class == FailureClass::kTransient
             ? bus::Disposition::retry(kBusRetry)
             : bus::Disposition::dead(result.error());
}

}  // namespace

Result<std::optional<events::v1::AdapterReady>> Handlers::find_adapter(
    const events::v1::PlanCleared& cleared) {
  const auto& workspace = cleared.workspace();
  const auto& plan = cleared.plan();
  const auto result = bus::accepted_result(parts_.results, workspace, plan);
  // Whatever else stands in the way says nothing about the adapter.
  if (!result && result.error().reason != "ResultUndecodable") {
    return tl::unexpected(result.error());
  }
  if (result && !*result) {
    return std::nullopt;
  }
  if (result) {
    const auto& adapter = (*result)->adapter();
    const auto object = parts_.objects.info(adapter.bucket(), adapter.name());
    if (!object && object.error().reason != "ObjectCorrupt") {
      return tl::unexpected(object.error());
    }
    if (object && *object) {
      return *result;
    }
  }
  // Without its object, or undecodable, the result would only stop the next worker.
  if (auto removed = parts_.results.remove(bus::result_key(workspace.uid(), plan.tuning_key()));
      !removed) {
    return tl::unexpected(removed.error());
  }
  return std::nullopt;
}

bus::Disposition Handlers::on_plan_cleared(const bus::IncomingEvent& incoming, std::stop_token) {
  const auto cleared = bus::decode<events::v1::PlanCleared>(incoming);
  if (!cleared) {
    return bus::Disposition::dead(cleared.error());
  }
  const auto& workspace = cleared->workspace();
  const auto current = bus::read_current(parts_.current, workspace.uid());
  if (!current) {
    return bus::Disposition::retry(kBusRetry);
  }
  if (bus::standing_of(*current, workspace.generation()) != bus::Standing::kCurrent) {
    return bus::Disposition::done();
  }
  const bool same_generation = (*current)->generation == workspace.generation();
  const std::int64_t since = same_generation ? (*current)->pass : workspace.pass();
  if (workspace.pass() < since) {
    return bus::Disposition::done();  // the change has an announcement of its own
  }
  const auto found = find_adapter(*cleared);
  if (!found) {
    parts_.log.warning("whether there is an adapter cannot be asked",
                       {{"uid", workspace.uid()}, {"reason", found.error().reason}});
    return bus::Disposition::retry(kBusRetry);
  }
  if (*found) {
    return done_or_retry(
        parts_.publisher.publish(bus::make_event(**found, "", incoming.traceparent)));
  }
  if (auto wanted = parts_.nodes.want(*cleared, since, incoming.traceparent); !wanted) {
    return done_or_retry(wanted);
  }
  // Asked again after the effect: an adapter or a deletion that came between has found nothing to
  // release.
  const auto meanwhile = find_adapter(*cleared);
  if (!meanwhile) {
    return bus::Disposition::retry(kBusRetry);
  }
  if (*meanwhile) {
    return release(workspace, kAnyPass);
  }
  return done_or_retry(parts_.nodes.reconcile(cleared->workspace().uid()));
}

bus::Disposition Handlers::release(const events::v1::WorkspaceRef& workspace,
                                   std::int64_t up_to_pass) {
  return done_or_retry(parts_.nodes.release({workspace.uid(), workspace.generation(), up_to_pass}));
}

// Whatever pass asked for it: the adapter is there.
bus::Disposition Handlers::on_adapter_ready(const bus::IncomingEvent& incoming, std::stop_token) {
  const auto ready = bus::decode<events::v1::AdapterReady>(incoming);
  return ready ? release(ready->workspace(), kAnyPass) : bus::Disposition::dead(ready.error());
}

// A failure from before a change must not take the nodes from the retry.
bus::Disposition Handlers::on_tuning_failed(const bus::IncomingEvent& incoming, std::stop_token) {
  const auto failed = bus::decode<events::v1::TuningFailed>(incoming);
  return failed ? release(failed->workspace(), failed->workspace().pass())
                : bus::Disposition::dead(failed.error());
}

bus::Disposition Handlers::on_plan_rejected(const bus::IncomingEvent& incoming, std::stop_token) {
  const auto rejected = bus::decode<events::v1::PlanRejected>(incoming);
  return rejected ? release(rejected->workspace(), rejected->workspace().pass())
                  : bus::Disposition::dead(rejected.error());
}

bus::Disposition Handlers::on_image_pushed(const bus::IncomingEvent& incoming, std::stop_token) {
  const auto pushed = bus::decode<events::v1::ImagePushed>(incoming);
  if (!pushed) {
    return bus::Disposition::dead(pushed.error());
  }
  const auto standing = bus::standing(parts_.current, pushed->workspace());
  if (!standing) {
    return bus::Disposition::retry(kBusRetry);
  }
  // The next generation may want what this one would remove; the clean-up takes all of a deleted
  // one.
  if (*standing != bus::Standing::kCurrent) {
    return bus::Disposition::done();
  }
  const auto removed =
      remove_other_keys(pushed->workspace().uid(), pushed->tuning_key(), parts_.cleanup);
  if (!removed) {
    return done_or_retry(tl::unexpected(removed.error()));
  }
  parts_.metrics.objects_removed(*removed);
  return bus::Disposition::done();
}

void Handlers::tell_stuck(const bus::IncomingEvent& deletion,
                          const events::v1::WorkspaceRef& workspace, const Failure& why) {
  const auto asked = parse_rfc3339(deletion.time);
  if (!asked || parts_.cleanup.clock.wall_now() - *asked < parts_.cleanup_stuck_after) {
    return;
  }
  events::v1::NodesPending pending;
  *pending.mutable_workspace() = workspace;
  *pending.mutable_waiting() = bus::to_proto(
      {FailureClass::kTransient, "CleanupStuck",
       "the clean-up asked for at " + deletion.time + " is tried again and again, " +
           left_behind(workspace.uid(), parts_.cleanup) + ": " + why.reason + ", " + why.message});
  pending.set_sequence(deletion.deliveries);
  // The same id for the same reason: told again only after the bus has forgotten the last time.
  if (auto told = parts_.publisher.publish(
          bus::make_event(pending, "cleanup-stuck-" + why.reason, deletion.traceparent));
      !told) {
    parts_.log.warning("a stuck clean-up cannot be told",
                       {{"uid", workspace.uid()}, {"reason", told.error().reason}});
  }
}

bus::Disposition Handlers::on_workspace_deleted(const bus::IncomingEvent& incoming,
                                                std::stop_token stop) {
  const auto deleted = bus::decode<events::v1::WorkspaceDeleted>(incoming);
  if (!deleted) {
    return bus::Disposition::dead(deleted.error());
  }
  const auto& workspace = deleted->workspace();
  const auto standing = bus::standing(parts_.current, workspace);
  if (!standing) {
    return bus::Disposition::retry(kBusRetry);
  }
  if (*standing != bus::Standing::kDeleting) {
    return bus::Disposition::done();  // nothing is removed on the word of a single event
  }
  if (auto released = parts_.nodes.release({workspace.uid(), kAnyGeneration, kAnyPass});
      !released) {
    return done_or_retry(released);
  }
  if (const auto cleaned = clean_up(workspace.uid(), parts_.cleanup, stop); !cleaned) {
    if (stop.stop_requested()) {
      return bus::Disposition::hand_back();
    }
    parts_.metrics.cleaned(cleaned.error().reason);
    parts_.log.warning("the clean-up is tried again", {{"uid", workspace.uid()},
                                                       {"reason", cleaned.error().reason},
                                                       {"detail", cleaned.error().message}});
    tell_stuck(incoming, workspace, cleaned.error());
    return bus::Disposition::retry(kCleanupRetry);
  }
  events::v1::WorkspaceCleaned event;
  *event.mutable_workspace() = workspace;
  if (auto sent = parts_.publisher.publish(bus::make_event(event, "", incoming.traceparent));
      !sent) {
    return done_or_retry(sent);
  }
  parts_.metrics.cleaned("done");
  parts_.log.info("cleaned", {{"workspace", workspace.namespace_() + "/" + workspace.name()}});
  return bus::Disposition::done();
}

}  // namespace tunesmith::provisioner
