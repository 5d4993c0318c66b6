// ImagePushProgressed events of one job: how far it is and what it waits for, at most one event per
// interval.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bus/event.h"
#include "runtime/clock.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/common.pb.h"

namespace tunesmith::image_builder {

// Sequences of one pass grow over stages and deliveries, so that whoever folds them can drop the
// older one: the check of the output comes before all pushes.
inline constexpr std::uint64_t kSequencesPerDelivery = 1'000'000;
inline std::uint64_t first_check_sequence(std::uint64_t deliveries) { return deliveries * 1000; }
inline std::uint64_t first_push_sequence(std::uint64_t deliveries) {
  return deliveries * kSequencesPerDelivery;
}

// One thread at a time. Progress is worth losing: failures to publish are ignored.
class PushProgress {
 public:
  PushProgress(bus::Publisher& publisher, const Clock& clock, std::chrono::milliseconds every,
               events::v1::WorkspaceRef workspace, std::uint64_t first_sequence,
               std::string traceparent);

  void set_total(std::uint64_t bytes) { total_ = bytes; }
  void moved(std::uint64_t bytes_done);  // nothing is waited for
  void waiting(const Failure& failure);

 private:
  void publish(const std::optional<Failure>& waiting);

  bus::Publisher& publisher_;
  const Clock& clock_;
  const std::chrono::milliseconds every_;
  const events::v1::WorkspaceRef workspace_;
  const std::string traceparent_;
  std::uint64_t sequence_, done_ = 0, total_ = 0;
  std::optional<Clock::SteadyTime> last_;
};

}  // namespace tunesmith::image_builder
