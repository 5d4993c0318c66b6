#include "planner/pending_notice.h"

#include <utility>

#include "tunesmith/events/v1/planning.pb.h"

namespace tunesmith::planner {
namespace {

// Numbers grow over the deliveries of one event, so that none is told with two meanings.
constexpr std::uint64_t kSequencesPerDelivery = 10'000;

}  // namespace

PendingNotice::PendingNotice(bus::Publisher& publisher, const bus::IncomingEvent& cause,
                             events::v1::WorkspaceRef workspace)
    : publisher_(publisher),
      workspace_(std::move(workspace)),
      traceparent_(cause.traceparent),
      sequence_(cause.deliveries * kSequencesPerDelivery) {}

void PendingNotice::waiting(const Failure& failure) {
  if (failure.reason == reason_) {
    return;
  }
  reason_ = failure.reason;
  events::v1::PlanPending pending;
  *pending.mutable_workspace() = workspace_;
  *pending.mutable_waiting() = bus::to_proto(failure);
  pending.set_sequence(++sequence_);
  static_cast<void>(
      publisher_.publish(bus::make_event(pending, std::to_string(sequence_), traceparent_)));
}

}  // namespace tunesmith::planner
