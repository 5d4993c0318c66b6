#include <algorithm>

#include "fakes/memory_bus.h"

namespace tunesmith::fakes {

Result<void> RecordingPublisher::publish(const bus::OutgoingEvent& event) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  ++accepted_;
  if (ids_.insert(event.id).second) events_.push_back(event);
  changed_.notify_all();
  return {};
}

void RecordingPublisher::fail_next(Failure failure, int times) {
  const std::scoped_lock lock(mutex_);
  failures_.add(std::move(failure), times);
}

std::vector<bus::OutgoingEvent> RecordingPublisher::published() const {
  const std::scoped_lock lock(mutex_);
  return events_;
}

std::size_t RecordingPublisher::accepted() const {
  const std::scoped_lock lock(mutex_);
  return accepted_;
}

void RecordingPublisher::clear() {
  const std::scoped_lock lock(mutex_);
  events_.clear();
  ids_.clear();
  accepted_ = 0;
}

bool RecordingPublisher::wait_for_token(const std::string& token, std::size_t count,
                                        std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] {
    return std::count_if(events_.begin(), events_.end(), [&](const bus::OutgoingEvent& event) {
             return event.token == token;
           }) >= static_cast<std::ptrdiff_t>(count);
  });
}

bus::IncomingEvent delivered(const bus::OutgoingEvent& event, std::uint64_t stream_sequence,
                             const std::string& time) {
  return {.id = event.id,
          .token = event.token,
          .uid = event.uid,
          .payload = event.payload,
          .traceparent = event.traceparent,
          .time = time,
          .stream_sequence = stream_sequence,
          .deliveries = 1};
}

}  // namespace tunesmith::fakes
