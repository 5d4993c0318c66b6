// Announces how a run goes: at most one event per interval, the latest values win, a change of
// phase is never held back.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "bus/event.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "tunesmith/events/v1/tuning.pb.h"

namespace tunesmith::gpu_worker {

// Thread-safe. References outlive it.
class ProgressAnnouncer {
 public:
  ProgressAnnouncer(bus::Publisher& publisher, const Clock& clock, const Log& log,
                    events::v1::WorkspaceRef workspace, std::string traceparent,
                    std::chrono::milliseconds at_most_every);

  void set_attempt(std::uint64_t attempt);
  // Merges `change` into what is known and announces it when it is time or the phase changed. A
  // failed announcement is logged and dropped: the next one says more.
  void update(const events::v1::TuningProgressed& change);
  // Announces what was held back, if anything.
  void flush();

 private:
  void announce_locked();

  bus::Publisher& publisher_;
  const Clock& clock_;
  const Log log_;
  const std::string traceparent_;
  const std::chrono::milliseconds at_most_every_;

  std::mutex mutex_;
  events::v1::TuningProgressed known_;
  bool held_back_ = false;
  bool announced_before_ = false;
  Clock::SteadyTime announced_at_{};
};

}  // namespace tunesmith::gpu_worker
