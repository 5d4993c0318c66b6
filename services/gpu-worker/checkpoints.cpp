#include "checkpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tunesmith::gpu_worker {
namespace {

constexpr std::size_t kKept = 2;  // the newest may be half written when the machine dies

}  // namespace

CheckpointStore::CheckpointStore(bus::ObjectStore& objects, std::string bucket,
                                 const std::string& tuning_key)
    : objects_(objects), bucket_(std::move(bucket)), prefix_("checkpoint/" + tuning_key + "/") {}

std::string CheckpointStore::object_name(std::uint64_t step) const {
  return fmt::format("{}{:010}", prefix_, step);
}

Result<void> CheckpointStore::put(std::uint64_t step, const std::filesystem::path& file,
                                  std::stop_token stop) {
  auto stored = objects_.put_file(bucket_, object_name(step), file, stop);
  if (!stored) return tl::unexpected(stored.error());
  return remove_all_but_newest(kKept);
}

Result<std::optional<std::uint64_t>> CheckpointStore::get_newest(const std::filesystem::path& file,
                                                                 std::stop_token stop) {
  auto names = names_oldest_first();
  if (!names) return tl::unexpected(names.error());
  while (!names->empty()) {
    const std::string name = names->back();
    auto fetched = objects_.get_file(bucket_, name, file, stop);
    if (fetched) {
      std::uint64_t step = 0;
      std::from_chars(name.data() + prefix_.size(), name.data() + name.size(), step);
      return step;
    }
    // A corrupt one is passed over: that is what the second is kept for.
    if (fetched.error().failure_class == FailureClass::kTransient) {
      return tl::unexpected(fetched.error());
    }
    names->pop_back();
  }
  return std::nullopt;
}

Result<void> CheckpointStore::remove_all() { return remove_all_but_newest(0); }

Result<std::vector<std::string>> CheckpointStore::names_oldest_first() {
  auto objects = objects_.list(bucket_);
  if (!objects) return tl::unexpected(objects.error());
  std::vector<std::string> names;
  for (auto& object : *objects) {
    if (object.name.starts_with(prefix_)) names.push_back(std::move(object.name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> CheckpointStore::remove_all_but_newest(std::size_t kept) {
  auto names = names_oldest_first();
  if (!names) return tl::unexpected(names.error());
  for (std::size_t i = 0; i + kept < names->size(); ++i) {
    if (auto removed = objects_.remove(bucket_, (*names)[i]); !removed) return removed;
  }
  return {};
}

CheckpointUploader::CheckpointUploader(CheckpointStore& store, const Clock& clock, int cost,
                                       Log log)
    : store_(store),
      clock_(clock),
      log_(std::move(log)),
      pace_(cost),
      thread_([this](std::stop_token stop) { work(stop); }) {}

CheckpointUploader::~CheckpointUploader() = default;

void CheckpointUploader::offer(std::uint64_t step, std::filesystem::path file) {
  const std::scoped_lock lock(mutex_);
  pending_ = Pending{step, std::move(file)};
  changed_.notify_all();
}

bool CheckpointUploader::wait_until_idle(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  hurry_ = true;
  changed_.notify_all();
  const bool idle = changed_.wait_for(lock, limit, [this] { return !busy_ && !pending_; });
  hurry_ = false;
  return idle;
}

std::uint64_t CheckpointUploader::newest_stored() const {
  const std::scoped_lock lock(mutex_);
  return newest_stored_;
}

void CheckpointUploader::work(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return pending_.has_value(); })) {
    changed_.wait_until(lock, stop, pace_.due(), [this] { return hurry_; });
    if (stop.stop_requested()) return;
    const Pending next = std::move(*pending_);
    pending_.reset();
    busy_ = true;
    lock.unlock();
    const auto begun = clock_.steady_now();
    const auto stored = store_.put(next.step, next.file, stop);
    const auto ended = clock_.steady_now();
    if (stored) {
      log_.info("checkpoint stored", {{"step", next.step}});
    } else {
      log_.warning("checkpoint not stored", {{"step", next.step},
                                             {"reason", stored.error().reason},
                                             {"detail", stored.error().message}});
    }
    lock.lock();
    busy_ = false;
    pace_.stored(begun, ended);
    if (stored) newest_stored_ = std::max(newest_stored_, next.step);
    changed_.notify_all();
  }
}

}  // namespace tunesmith::gpu_worker
