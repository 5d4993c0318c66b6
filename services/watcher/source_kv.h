// The Workspace source without Kubernetes: KV bucket `workspaces`, keys spec.<ns>.<name> and
// configmap.<ns>.<name>, written by the CLI.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bus/current.h"
#include "bus/event.h"
#include "bus/key_value.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "runtime/result.h"
#include "watcher/status_store.h"

namespace tunesmith::watcher {

// An object of the source, as far as the watcher looks into it.
struct SourceObject {
  std::string name_space, name, uid;
  std::int64_t generation = 0;
  std::string annotations_hash;
  bool deleting = false;
  bool suspended = false;
  std::string config_map;  // tuning.config, empty = none
  std::string manifest;    // the whole object as JSON

  std::string spec_key() const { return "spec." + name_space + "." + name; }
  std::string status_key() const { return "status." + name_space + "." + name; }
};

// Permanent `WorkspaceUnreadable`.
Result<SourceObject> read_object(const std::string& json);

// Makes `current` true for what the source holds, then announces it. Thread-safe; everything given
// outlives it.
class KvSource {
 public:
  KvSource(bus::KeyValue& workspaces, bus::KeyValue& current, bus::Publisher& publisher,
           StatusStore& statuses, const Clock& clock, Log log);

  // A spec key was seen, changed or removed. Transient failures: call again with the same entry.
  Result<void> on_spec(const bus::KeyValueEntry& entry);
  // All specs that were there at the start have been seen.
  Result<void> on_caught_up();
  // A ConfigMap was seen or changed: whoever lacked it is announced again. Their uids.
  Result<std::vector<std::string>> on_config_map(const bus::KeyValueEntry& entry);
  // A status was folded: what it failed for may have come meanwhile.
  Result<void> on_status(const SourceObject& object, const nlohmann::json& status);
  // Announces a Workspace again although nothing changed (a pass of its own, id ending in /again).
  Result<void> observe_again(const std::string& uid);
  // Nothing of it is left: its spec, status and `current` keys go, unless the name belongs to
  // another object by now.
  Result<void> on_cleaned(const events::v1::WorkspaceRef& workspace);

  // The object with this uid, if the source holds it.
  std::optional<SourceObject> find(const std::string& uid) const;

  // Whether a status tells of the object as it is now and as it was announced last.
  bool is_up_to_date(const nlohmann::json& status, const SourceObject& object) const;

  static constexpr std::size_t kLargestConfigBytes = 64u << 10;

 private:
  // What was announced last.
  struct Announced {
    std::int64_t generation = 0;
    std::string annotations_hash;
    std::int64_t pass = 0;
  };
  struct Config {
    std::int64_t generation = 0;
    std::string yaml, problem;
  };

  Result<void> reconcile(const SourceObject& object);
  Result<void> check_config(const SourceObject& object, const nlohmann::json& status);
  Result<std::optional<Announced>> announced(const SourceObject& object);
  // `pass`: of the change that is about to be announced; nothing when none is: it stays, and is
  // `lost` when the entry was.
  Result<void> put_current(const SourceObject& object, std::optional<std::int64_t> pass,
                           std::int64_t lost);
  Result<void> announce(const SourceObject& object, std::int64_t pass, const char* suffix);
  Result<Config> config_of(const SourceObject& object);
  Result<void> on_removed(const std::string& key);
  std::int64_t next_pass(const Announced& last) const;

  bus::KeyValue& workspaces_;
  bus::KeyValue& current_;
  bus::Publisher& publisher_;
  StatusStore& statuses_;
  const Clock& clock_;
  const Log log_;

  // Held by whoever writes `current`: an older look at an object must not come after a newer one.
  std::mutex turn_;
  mutable std::mutex mutex_;
  std::map<std::string, SourceObject> objects_;  // by uid
  std::map<std::string, Announced> announced_;   // by uid
  std::map<std::string, Config> configs_;        // by uid: read once per generation
};

}  // namespace tunesmith::watcher
