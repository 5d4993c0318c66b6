// Announces how a run goes, on a thread of its own: neither the engine's lines nor a download wait
// for the bus.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "bus/event.h"
#include "progress_pacer.h"
#include "runtime/log.h"
#include "tunesmith/events/v1/tuning.pb.h"

namespace tunesmith::gpu_worker {

// Thread-safe. `publisher` outlives it. What was not announced yet when it is destroyed is dropped:
// flush() first.
class ProgressAnnouncer {
 public:
  ProgressAnnouncer(bus::Publisher& publisher, Log log, events::v1::WorkspaceRef workspace,
                    std::string traceparent, ProgressTimes times);
  ~ProgressAnnouncer();
  ProgressAnnouncer(const ProgressAnnouncer&) = delete;
  ProgressAnnouncer& operator=(const ProgressAnnouncer&) = delete;

  // Forgets what was known of the attempt before: its steps may have been higher.
  void begin_attempt(std::uint64_t attempt);
  // Merges `change` into what is known. A change without `waiting` says that nothing is waited for.
  void update(const events::v1::TuningProgressed& change);
  // Announces what was held back, on the calling thread.
  void flush();

 private:
  void work(const std::stop_token& stop);
  void announce(std::unique_lock<std::mutex>& lock);

  bus::Publisher& publisher_;
  const Log log_;
  const std::string traceparent_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  events::v1::TuningProgressed known_;
  ProgressPacer pacer_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace tunesmith::gpu_worker
