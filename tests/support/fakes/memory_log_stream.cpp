#include "fakes/memory_bus.h"

namespace tunesmith::fakes {

Result<void> MemoryLogStream::append(const std::string& uid,
                                     const std::vector<bus::LogLine>& lines) {
  std::unique_lock lock(mutex_);
  released_.wait(lock, [&] { return !held_; });
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  if (bus::encode_log_lines(lines).size() > bus::kLargestLogBatch) {
    return permanent("EventTooLarge", "a batch of log lines is too large");
  }
  batches_[uid].push_back(lines);
  appended_.notify_all();
  return {};
}

Result<void> MemoryLogStream::read(const std::string& uid, bool /*follow*/,
                                   const std::function<bool(const std::vector<bus::LogLine>& lines,
                                                            std::uint64_t behind)>& on_batch,
                                   std::stop_token /*stop*/) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  const auto& all = batches_[uid];
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!on_batch(all[i], all.size() - 1 - i)) break;
  }
  return {};
}

Result<void> MemoryLogStream::purge(const std::string& uid) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  batches_.erase(uid);
  return {};
}

void MemoryLogStream::fail_next(Failure failure, int times) {
  const std::scoped_lock lock(mutex_);
  failures_.add(std::move(failure), times);
}

void MemoryLogStream::hold(bool held) {
  const std::scoped_lock lock(mutex_);
  held_ = held;
  released_.notify_all();
}

std::vector<bus::LogLine> MemoryLogStream::lines(const std::string& uid) const {
  const std::scoped_lock lock(mutex_);
  std::vector<bus::LogLine> all;
  const auto found = batches_.find(uid);
  if (found == batches_.end()) return all;
  for (const auto& batch : found->second) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

bool MemoryLogStream::wait_for_batch(const std::string& uid,
                                     std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  return appended_.wait_for(lock, limit, [&] {
    const auto found = batches_.find(uid);
    return found != batches_.end() && !found->second.empty();
  });
}

std::size_t MemoryLogStream::batches(const std::string& uid) const {
  const std::scoped_lock lock(mutex_);
  const auto found = batches_.find(uid);
  return found == batches_.end() ? 0 : found->second.size();
}

}  // namespace tunesmith::fakes
