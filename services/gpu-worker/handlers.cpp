#include "handlers.h"

#include "bus/current.h"
#include "bus/results.h"

namespace tunesmith::gpu_worker {
namespace {

constexpr std::chrono::seconds kRetryDelay{2};

class BusyMark {
 public:
  explicit BusyMark(Metrics& metrics) : metrics_(metrics) { metrics_.set_busy(true); }
  ~BusyMark() { metrics_.set_busy(false); }
  BusyMark(const BusyMark&) = delete;
  BusyMark& operator=(const BusyMark&) = delete;

 private:
  Metrics& metrics_;
};

}  // namespace

bus::Disposition Handlers::on_nodes_ready(const bus::IncomingEvent& event, std::stop_token stop) {
  auto nodes = bus::decode<events::v1::NodesReady>(event);
  if (!nodes) return bus::Disposition::dead(nodes.error());
  auto standing = bus::standing(parts_.current, nodes->workspace());
  if (!standing) return bus::Disposition::retry(kRetryDelay);
  if (*standing != bus::Standing::kCurrent) return bus::Disposition::done();
  auto accepted = bus::accepted_result(parts_.results, nodes->workspace(), nodes->plan());
  if (!accepted) return bus::Disposition::retry(kRetryDelay);
  if (*accepted) {
    return announce(Trained{std::move(**accepted)}, nodes->workspace(), event.traceparent, stop);
  }
  const BusyMark busy(parts_.metrics);
  TuningRun run(parts_, log_, *nodes, event.traceparent);
  return announce(run.run(stop), nodes->workspace(), event.traceparent, stop);
}

bus::Disposition Handlers::announce(const RunEnd& end, const events::v1::WorkspaceRef& workspace,
                                    const std::string& traceparent, std::stop_token stop) {
  if (std::holds_alternative<HeldElsewhere>(end)) return bus::Disposition::done();
  if (std::holds_alternative<Stopped>(end)) {
    parts_.metrics.run_ended("stopped");
    return stop.stop_requested() ? bus::Disposition::hand_back() : bus::Disposition::done();
  }
  const auto* failure = std::get_if<Failure>(&end);
  if (failure != nullptr && failure->failure_class == FailureClass::kTransient) {
    log_.warning("tuning could not begin", {{"workspace", workspace.name()},
                                            {"reason", failure->reason},
                                            {"detail", failure->message}});
    return bus::Disposition::retry(kRetryDelay);
  }
  // Asked again after the effect: nobody may hear of a result that no longer counts.
  auto standing = bus::standing(parts_.current, workspace);
  if (!standing) return bus::Disposition::retry(kRetryDelay);
  if (*standing != bus::Standing::kCurrent) return bus::Disposition::done();

  Result<void> sent;
  if (const auto* trained = std::get_if<Trained>(&end)) {
    parts_.metrics.run_ended("succeeded");
    sent = parts_.publisher.publish(bus::make_event(trained->ready, "", traceparent));
  } else {
    parts_.metrics.run_ended("failed");
    log_.error("tuning failed", {{"workspace", workspace.name()},
                                 {"reason", failure->reason},
                                 {"detail", failure->message}});
    events::v1::TuningFailed event;
    *event.mutable_workspace() = workspace;
    *event.mutable_failure() = bus::to_proto(*failure);
    sent = parts_.publisher.publish(bus::make_event(event, "", traceparent));
  }
  return sent ? bus::Disposition::done() : bus::Disposition::retry(kRetryDelay);
}

}  // namespace tunesmith::gpu_worker
