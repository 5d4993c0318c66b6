// A JetStream key-value bucket: compare-and-set on revisions, and watching.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::bus {

struct KeyValueEntry {
  std::string key{};
  std::string value{};
  std::uint64_t revision = 0;
  bool deleted = false;  // only in watches
};

// Thread-safe. Keys: [-/_=.a-zA-Z0-9]+, no leading or trailing dot. All calls: Transient
// `BusUnavailable` when the server does not answer.
class KeyValue {
 public:
  virtual ~KeyValue() = default;
  virtual Result<std::optional<KeyValueEntry>> get(const std::string& key) = 0;
  // Permanent `KeyExists` when a live key is there; else the new revision.
  virtual Result<std::uint64_t> create(const std::string& key, const std::string& value) = 0;
  // Permanent `RevisionConflict` when the last revision is another.
  virtual Result<std::uint64_t> update(const std::string& key, const std::string& value,
                                       std::uint64_t last_revision) = 0;
  virtual Result<std::uint64_t> put(const std::string& key, const std::string& value) = 0;
  virtual Result<void> remove(const std::string& key) = 0;  // a missing key is a success
  // Live keys that match a NATS subject pattern ("spec.default.*", ">"): all of them, or a failure
  // (Transient `Stopped` when the process is being stopped).
  virtual Result<std::vector<std::string>> keys(const std::string& pattern) = 0;

  // Calls `on_entry` for each present entry, then once `on_caught_up`, then for each change, all on
  // the calling thread, until `stop`. Survives reconnects without missing the latest value of any
  // key (it may repeat entries). Returns success at a stop.
  virtual Result<void> watch(const std::string& pattern,
                             const std::function<void(const KeyValueEntry&)>& on_entry,
                             const std::function<void()>& on_caught_up, std::stop_token stop) = 0;
};

}  // namespace tunesmith::bus
