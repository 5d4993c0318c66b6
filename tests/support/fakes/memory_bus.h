// In-memory stand-ins for the bus in unit tests of handlers: same promises, no server. All are
// thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "bus/event.h"
#include "bus/key_value.h"
#include "bus/log_stream.h"
#include "bus/object_store.h"

namespace tunesmith::fakes {

// Failures that the next calls of a fake return instead of working. Guarded by the fake's mutex.
class PlannedFailures {
 public:
  void add(Failure failure, int times) { planned_.insert(planned_.end(), times, failure); }
  std::optional<Failure> take();

 private:
  std::deque<Failure> planned_;
};

class MemoryKeyValue : public bus::KeyValue {
 public:
  Result<std::optional<bus::KeyValueEntry>> get(const std::string& key) override;
  Result<std::uint64_t> create(const std::string& key, const std::string& value) override;
  Result<std::uint64_t> update(const std::string& key, const std::string& value,
                               std::uint64_t last_revision) override;
  Result<std::uint64_t> put(const std::string& key, const std::string& value) override;
  Result<void> remove(const std::string& key) override;
  Result<std::vector<std::string>> keys(const std::string& pattern) override;
  Result<void> watch(const std::string& pattern,
                     const std::function<void(const bus::KeyValueEntry&)>& on_entry,
                     const std::function<void()>& on_caught_up, std::stop_token stop) override;

  // The next `times` calls (all but watch) return this failure.
  void fail_next(Failure failure, int times = 1);
  // The live value, or nothing: for assertions.
  std::optional<std::string> value(const std::string& key) const;
  // How many writes (create, update, put, remove of a live key) were accepted.
  std::uint64_t writes() const;
  // Waits until the key has this value; false after `limit`.
  bool wait_for_value(const std::string& key, const std::string& value,
                      std::chrono::milliseconds limit = std::chrono::seconds(30)) const;

 private:
  std::uint64_t store(const std::string& key, const std::string& value, bool deleted);

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::map<std::string, bus::KeyValueEntry> entries_;
  std::uint64_t last_revision_ = 0;
  PlannedFailures failures_;
};

class MemoryObjectStore : public bus::ObjectStore {
 public:
  Result<void> create_bucket(const std::string& bucket, std::uint64_t quota_bytes) override;
  Result<void> delete_bucket(const std::string& bucket) override;
  Result<std::vector<std::string>> buckets() override;
  Result<bus::ObjectInfo> put_file(const std::string& bucket, const std::string& name,
                                   const std::filesystem::path& file,
                                   std::stop_token stop) override;
  Result<bus::ObjectInfo> get_file(const std::string& bucket, const std::string& name,
                                   const std::filesystem::path& file,
                                   std::stop_token stop) override;
  Result<std::optional<bus::ObjectInfo>> info(const std::string& bucket,
                                              const std::string& name) override;
  Result<std::vector<bus::ObjectInfo>> list(const std::string& bucket) override;
  Result<void> remove(const std::string& bucket, const std::string& name) override;

  void fail_next(Failure failure, int times = 1);
  // Puts bytes without a file; makes the bucket when it is missing.
  void put_bytes(const std::string& bucket, const std::string& name, std::string bytes);
  std::optional<std::string> bytes(const std::string& bucket, const std::string& name) const;

 private:
  struct Bucket {
    std::uint64_t quota_bytes = 0;
    std::map<std::string, std::string> objects;
  };
  Result<Bucket*> find(const std::string& bucket);

  mutable std::mutex mutex_;
  std::map<std::string, Bucket> buckets_;
  PlannedFailures failures_;
};

class MemoryLogStream final : public bus::LogStream {
 public:
  Result<void> append(const std::string& uid, const std::vector<bus::LogLine>& lines) override;
  // Without `follow` only.
  Result<void> read(const std::string& uid, bool follow,
                    const std::function<bool(const std::vector<bus::LogLine>& lines,
                                             std::uint64_t behind)>& on_batch,
                    std::stop_token stop) override;
  Result<void> purge(const std::string& uid) override;

  void fail_next(Failure failure, int times = 1);
  // Appends wait while it is held: a bus that does not answer.
  void hold(bool held);
  std::vector<bus::LogLine> lines(const std::string& uid) const;
  // Waits until a batch of this uid is there; false after `limit`.
  bool wait_for_batch(const std::string& uid,
                      std::chrono::milliseconds limit = std::chrono::seconds(60)) const;
  std::size_t batches(const std::string& uid) const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable released_;
  mutable std::condition_variable appended_;
  bool held_ = false;
  std::map<std::string, std::vector<std::vector<bus::LogLine>>> batches_;
  PlannedFailures failures_;
};

// Keeps what was published. A repeated id is a success that is kept once, as in the stream.
class RecordingPublisher final : public bus::Publisher {
 public:
  Result<void> publish(const bus::OutgoingEvent& event) override;

  void fail_next(Failure failure, int times = 1);
  std::vector<bus::OutgoingEvent> published() const;
  // Calls of publish() that succeeded, repeated ids included.
  std::size_t accepted() const;
  void clear();  // forgets events and ids

  // The events of one type, decoded, in order.
  template <typename Event>
  std::vector<Event> all() const {
    std::vector<Event> events;
    for (const auto& event : published()) {
      if (event.token != bus::token_of<Event>()) continue;
      events.emplace_back().ParseFromString(event.payload);
    }
    return events;
  }
  // Waits until `count` events of this type are there; false after `limit`.
  template <typename Event>
  bool wait_for(std::size_t count,
                std::chrono::milliseconds limit = std::chrono::seconds(30)) const {
    return wait_for_token(bus::token_of<Event>(), count, limit);
  }

 private:
  bool wait_for_token(const std::string& token, std::size_t count,
                      std::chrono::milliseconds limit) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<bus::OutgoingEvent> events_;
  std::set<std::string> ids_;
  std::size_t accepted_ = 0;
  PlannedFailures failures_;
};

// `event` as a consumer would get it.
bus::IncomingEvent delivered(const bus::OutgoingEvent& event, std::uint64_t stream_sequence = 1,
                             const std::string& time = "2026-01-31T12:00:00Z");

}  // namespace tunesmith::fakes
