#include "bus/standing_watch.h"

#include <chrono>

#include "runtime/retry.h"

namespace tunesmith::bus {

StandingWatch::StandingWatch(KeyValue& current, const events::v1::WorkspaceRef& workspace,
                             std::stop_token service_stop)
    : job_(std::move(service_stop)),
      thread_([this, &current, workspace](const std::stop_token& done) {
        while (!done.stop_requested()) {
          const auto standing = wait_until_superseded(current, workspace, done);
          if (standing && *standing != Standing::kCurrent) {
            superseded_ = true;
            job_.request();
            return;
          }
          if (!standing) wait_for(std::chrono::seconds(1), done);
        }
      }) {}

}  // namespace tunesmith::bus
