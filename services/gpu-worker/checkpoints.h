// Recovery checkpoints of one training in the object store: written while the engine trains on, two
// kept, the newest found again.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "bus/object_store.h"
#include "checkpoint_pace.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "runtime/result.h"

namespace tunesmith::gpu_worker {

// Objects are named `checkpoint/<tuning key>/<step, ten digits>`.
class CheckpointStore {
 public:
  CheckpointStore(bus::ObjectStore& objects, std::string bucket, const std::string& tuning_key);

  std::string object_name(std::uint64_t step) const;
  Result<void> put(std::uint64_t step, const std::filesystem::path& file, std::stop_token stop);
  // Fetches the newest into `file`; its step, or nullopt when there is none.
  Result<std::optional<std::uint64_t>> get_newest(const std::filesystem::path& file,
                                                  std::stop_token stop);
  Result<void> remove_all();

 private:
  Result<std::vector<std::string>> names_oldest_first();
  Result<void> remove_all_but_newest(std::size_t kept);

  bus::ObjectStore& objects_;
  std::string bucket_;
  std::string prefix_;
};

// Stores checkpoints on a thread of its own, so that neither the engine nor whoever reads its lines
// waits. When a newer one comes before an older was begun, the older is skipped. Between two,
// `cost` times the time that the first took passes, unless the end is near (wait_until_idle).
class CheckpointUploader {
 public:
  CheckpointUploader(CheckpointStore& store, const Clock& clock, int cost, Log log);
  ~CheckpointUploader();  // a store that is under way is given up
  CheckpointUploader(const CheckpointUploader&) = delete;
  CheckpointUploader& operator=(const CheckpointUploader&) = delete;

  void offer(std::uint64_t step, std::filesystem::path file);
  // Stores what is pending at once. Until nothing is, or the limit is over (false).
  bool wait_until_idle(std::chrono::milliseconds limit);
  // The highest step that was stored, 0 = none.
  std::uint64_t newest_stored() const;

 private:
  struct Pending {
    std::uint64_t step = 0;
    std::filesystem::path file;
  };
  void work(std::stop_token stop);

  CheckpointStore& store_;
  const Clock& clock_;
  const Log log_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Pending> pending_;
  CheckpointPace pace_;
  bool busy_ = false, hurry_ = false;
  std::uint64_t newest_stored_ = 0;
  std::jthread thread_;
};

}  // namespace tunesmith::gpu_worker
