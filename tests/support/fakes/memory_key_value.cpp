#include "bus/subject.h"
#include "fakes/memory_bus.h"

namespace tunesmith::fakes {

std::optional<Failure> PlannedFailures::take() {
  if (planned_.empty()) return std::nullopt;
  Failure failure = std::move(planned_.front());
  planned_.pop_front();
  return failure;
}

std::uint64_t MemoryKeyValue::store(const std::string& key, const std::string& value,
                                    bool deleted) {
  entries_[key] = {.key = key, .value = value, .revision = ++last_revision_, .deleted = deleted};
  changed_.notify_all();
  return last_revision_;
}

Result<std::optional<bus::KeyValueEntry>> MemoryKeyValue::get(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.deleted) return std::nullopt;
  return found->second;
}

Result<std::uint64_t> MemoryKeyValue::create(const std::string& key, const std::string& value) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  const auto found = entries_.find(key);
  if (found != entries_.end() && !found->second.deleted) {
    return permanent("KeyExists", "key " + key + " exists");
  }
  return store(key, value, false);
}

Result<std::uint64_t> MemoryKeyValue::update(const std::string& key, const std::string& value,
                                             std::uint64_t last_revision) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  const auto found = entries_.find(key);
  const std::uint64_t revision = found == entries_.end() ? 0 : found->second.revision;
  if (revision != last_revision) {
    return permanent("RevisionConflict", "key " + key + " is at revision " +
                                             std::to_string(revision) + ", expected " +
                                             std::to_string(last_revision));
  }
  return store(key, value, false);
}

Result<std::uint64_t> MemoryKeyValue::put(const std::string& key, const std::string& value) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  return store(key, value, false);
}

Result<void> MemoryKeyValue::remove(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  const auto found = entries_.find(key);
  if (found != entries_.end() && !found->second.deleted) store(key, "", true);
  return {};
}

Result<std::vector<std::string>> MemoryKeyValue::keys(const std::string& pattern) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  std::vector<std::string> found;
  for (const auto& [key, entry] : entries_) {
    if (!entry.deleted && bus::subject_matches(pattern, key)) found.push_back(key);
  }
  return found;
}

Result<void> MemoryKeyValue::watch(const std::string& pattern,
                                   const std::function<void(const bus::KeyValueEntry&)>& on_entry,
                                   const std::function<void()>& on_caught_up,
                                   std::stop_token stop) {
  std::uint64_t seen = 0;
  bool caught_up = false;
  while (!stop.stop_requested()) {
    std::map<std::uint64_t, bus::KeyValueEntry> news;
    {
      std::unique_lock lock(mutex_);
      if (caught_up) changed_.wait(lock, stop, [&] { return last_revision_ > seen; });
      for (const auto& [key, entry] : entries_) {
        if (entry.revision <= seen || !bus::subject_matches(pattern, key)) continue;
        if (caught_up || !entry.deleted) news.emplace(entry.revision, entry);
      }
      seen = last_revision_;
    }
    for (const auto& [revision, entry] : news) {
      if (stop.stop_requested()) return {};
      on_entry(entry);
    }
    if (!caught_up) on_caught_up();
    caught_up = true;
  }
  return {};
}

void MemoryKeyValue::fail_next(Failure failure, int times) {
  const std::scoped_lock lock(mutex_);
  failures_.add(std::move(failure), times);
}

std::optional<std::string> MemoryKeyValue::value(const std::string& key) const {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.deleted) return std::nullopt;
  return found->second.value;
}

std::uint64_t MemoryKeyValue::writes() const {
  const std::scoped_lock lock(mutex_);
  return last_revision_;
}

bool MemoryKeyValue::wait_for_value(const std::string& key, const std::string& value,
                                    std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] {
    const auto found = entries_.find(key);
    return found != entries_.end() && !found->second.deleted && found->second.value == value;
  });
}

}  // namespace tunesmith::fakes
