// The status documents in KV `workspaces`: folded, compared, written by compare-and-set.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "bus/key_value.h"
#include "runtime/clock.h"
#include "runtime/result.h"

namespace tunesmith::watcher {

// Thread-safe: of two folds of one Workspace at once, the second is folded again onto the first.
// `bucket` and `clock` outlive it.
class StatusStore {
 public:
  StatusStore(bus::KeyValue& bucket, const Clock& clock) : bucket_(bucket), clock_(clock) {}

  using Fold = std::function<Result<nlohmann::json>(const nlohmann::json& status)>;
  struct Outcome {
    nlohmann::json status;
    bool news = false;     // what people see changed
    bool written = false;  // by this call
    // Set when the write waits for its turn: call again after that long, with the same fold.
    std::optional<std::chrono::milliseconds> wait;
  };
  // Applies `fold` to the status under `key` and writes it when it changed. With `may_wait`, at
  // most one write per kProgressEvery; a later call writes what waits. When somebody else wrote
  // meanwhile, reads and folds again. Fails as `fold` does, or Transient `BusUnavailable`.
  Result<Outcome> apply(const std::string& key, bool may_wait, const Fold& fold);

  // The stored document; null when there is none.
  Result<nlohmann::json> read(const std::string& key);
  // Removes it if it is of this object.
  Result<void> remove(const std::string& key, const std::string& uid);

  static constexpr std::chrono::milliseconds kProgressEvery{2'000};

 private:
  struct Entry {
    nlohmann::json status;
    std::uint64_t revision = 0;  // 0 = not stored yet
    bool dirty = false;
    Clock::SteadyTime written_at{};
    bool ever_written = false;
  };
  Result<Entry> load(const std::string& key);
  Result<void> write(const std::string& key, Entry& entry);

  bus::KeyValue& bucket_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Entry> cache_;
};

}  // namespace tunesmith::watcher
