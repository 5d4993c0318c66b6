#include "image-builder/standing_watch.h"

#include <chrono>

#include "runtime/retry.h"

namespace tunesmith::image_builder {

StandingWatch::StandingWatch(bus::KeyValue& current, const events::v1::WorkspaceRef& workspace,
                             std::stop_token service_stop)
    : on_service_stop_(std::move(service_stop), [this] { job_.request_stop(); }),
      thread_([this, &current, workspace](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          const auto standing = bus::wait_until_superseded(current, workspace, stop);
          if (standing && *standing != bus::Standing::kCurrent) {
            superseded_ = true;
            job_.request_stop();
            return;
          }
          // Only when the bus refuses to be watched at all: not busily again.
          if (!standing) wait_for(std::chrono::seconds(1), stop);
        }
      }) {}

StandingWatch::~StandingWatch() = default;

}  // namespace tunesmith::image_builder
