// What the watcher does with what it hears: changes of the source, events, dead letters, silence.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "bus/connection.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "watcher/metrics.h"
#include "watcher/reobserve_schedule.h"
#include "watcher/source_kv.h"
#include "watcher/status_store.h"

namespace tunesmith::watcher {

// Thread-safe; events of one Workspace must come one after the other. Everything given outlives it.
class Handlers {
 public:
  struct Parts {
    bus::KeyValue& workspaces;
    bus::KeyValue& current;
    bus::Publisher& publisher;
    const Clock& clock;
    Metrics& metrics;
    Log log;
  };
  Handlers(Parts parts, ReobserveTimes times);

  // Source changes. Transient trouble is tried again until `stop`.
  void on_spec(const bus::KeyValueEntry& entry, std::stop_token stop);
  void on_config_map(const bus::KeyValueEntry& entry, std::stop_token stop);
  void on_caught_up(std::stop_token stop);

  // Any event: folded into the status of its Workspace. WorkspaceCleaned: its keys are removed.
  bus::Disposition on_event(const bus::IncomingEvent& event);
  // Into the status: whether somebody works for a Workspace is read there (lost_its_worker).
  bus::Disposition on_dead_letter(const bus::DeadLetter& letter);

  // Announces those that are silent; when to look next.
  std::optional<Clock::SteadyTime> look_again();
  // look_again() whenever it is time, until `stop`.
  void run_timer(std::stop_token stop);

 private:
  bus::Disposition fold_event(const SourceObject& object, const bus::IncomingEvent& event);
  void schedule(const std::string& uid, const nlohmann::json& status, bool ours, bool news);
  void until_done(const std::function<Result<void>()>& act, const std::stop_token& stop) const;

  Parts parts_;
  StatusStore statuses_;
  KvSource source_;
  std::mutex mutex_;
  std::condition_variable_any schedule_changed_;
  ReobserveSchedule schedule_;
};

}  // namespace tunesmith::watcher
