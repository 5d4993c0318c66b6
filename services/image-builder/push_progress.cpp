#include "image-builder/push_progress.h"

#include <utility>

#include "tunesmith/events/v1/image.pb.h"

namespace tunesmith::image_builder {

PushProgress::PushProgress(bus::Publisher& publisher, const Clock& clock,
                           std::chrono::milliseconds every, events::v1::WorkspaceRef workspace,
                           std::uint64_t first_sequence, std::string traceparent)
    : publisher_(publisher),
      clock_(clock),
      every_(every),
      workspace_(std::move(workspace)),
      traceparent_(std::move(traceparent)),
      sequence_(first_sequence) {}

void PushProgress::moved(std::uint64_t bytes_done) {
  done_ = bytes_done;
  publish(std::nullopt);
}

void PushProgress::waiting(const Failure& failure) { publish(failure); }

void PushProgress::publish(const std::optional<Failure>& waiting) {
  const auto now = clock_.steady_now();
  if (last_ && now - *last_ < every_) return;
  last_ = now;
  events::v1::ImagePushProgressed event;
  *event.mutable_workspace() = workspace_;
  event.set_bytes_done(done_);
  event.set_bytes_total(total_);
  event.set_sequence(++sequence_);
  if (waiting) *event.mutable_waiting() = bus::to_proto(*waiting);
  static_cast<void>(
      publisher_.publish(bus::make_event(event, std::to_string(sequence_), traceparent_)));
}

}  // namespace tunesmith::image_builder
