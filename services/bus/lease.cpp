#include "bus/lease.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "runtime/retry.h"

namespace tunesmith::bus {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

namespace {

std::string to_json(const LeaseRecord& record) {
  return nlohmann::json{
      {"holder", record.holder}, {"counter", record.counter}, {"released", record.released}}
      .dump();
}

// The counter must never go back, so an unreadable record is a failure, not a free lease.
Result<LeaseRecord> record_from(const std::string& json) {
  try {
    const auto object = nlohmann::json::parse(json);
    return LeaseRecord{.holder = object.at("holder").get<std::string>(),
                       .counter = object.at("counter").get<std::uint64_t>(),
                       .released = object.value("released", false)};
  } catch (const nlohmann::json::exception& e) {
    return poison("LeaseUndecodable",
                  std::string("a lease is not what tunesmith writes: ") + e.what());
  }
}

}  // namespace

LeaseTimes LeaseTimes::from_config(ConfigReader& config) {
  LeaseTimes times;
  times.duration = config.duration("lease_duration", times.duration);
  times.renew_every =
      std::min(config.duration("lease_renew_every", times.renew_every), times.duration / 2);
  return times;
}

void LeaseObserver::saw(std::optional<std::uint64_t> revision, bool released) {
  if (revision != revision_) seen_at_ = clock_.steady_now();
  revision_ = revision;
  released_ = released || !revision;
}

bool LeaseObserver::may_take() const { return time_left() <= milliseconds(0); }

milliseconds LeaseObserver::time_left() const {
  if (released_) return milliseconds(0);
  const auto left = seen_at_ + times_.duration - clock_.steady_now();
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(left));
}

namespace {

class HeldLease final : public Lease {
 public:
  // `asked_at`: before the request that took it.
  HeldLease(KeyValue& bucket, std::string key, LeaseRecord record, std::uint64_t revision,
            LeaseTimes times, Clock::SteadyTime asked_at, const Clock& clock, const Log& log)
      : bucket_(bucket),
        key_(std::move(key)),
        record_(std::move(record)),
        revision_(revision),
        times_(times),
        clock_(clock),
        log_(log),
        renewed_at_(asked_at),
        renewal_([this] { renew(); }),
        expiry_([this] { watch_expiry(); }) {}

  ~HeldLease() override { end_renewal(); }

  std::uint64_t counter() const override { return record_.counter; }
  std::stop_token lost() const override { return lost_.get_token(); }

  Result<void> release() override {
    end_renewal();
    if (lost_.stop_requested()) return {};
    LeaseRecord released = record_;
    released.released = true;
    auto updated = bucket_.update(key_, to_json(released), revision_);
    lost_.request_stop();
    if (updated || updated.error().reason == "RevisionConflict") return {};
    return tl::unexpected(updated.error());
  }

 private:
  void end_renewal() {
    end_.request_stop();
    if (renewal_.joinable()) renewal_.join();
    if (expiry_.joinable()) expiry_.join();
  }

  void renew() {
    const std::stop_token end = end_.get_token();
    auto pause = times_.renew_every;
    while (wait_for(pause, end) && !lost_.stop_requested()) {
      const auto begun = clock_.steady_now();
      auto updated = bucket_.update(key_, to_json(record_), revision_);
      if (updated) {
        revision_ = *updated;
        renewed_at_ = begun;
        pause = times_.renew_every;
      } else if (updated.error().failure_class == FailureClass::kTransient) {
        pause = std::min(times_.renew_every, milliseconds(500));
      } else {
        log_.warning("lease lost", {{"lease", key_}, {"detail", updated.error().message}});
        lost_.request_stop();
      }
    }
  }

  // Others may take the lease `duration` after its last revision became visible, which is not
  // before we asked for it: it is not trusted longer than that, also while a renewal waits for the
  // server.
  void watch_expiry() {
    const std::stop_token end = end_.get_token();
    while (!lost_.stop_requested()) {
      const auto left = renewed_at_.load() + times_.duration - clock_.steady_now();
      if (left <= Clock::SteadyTime::duration(0)) {
        log_.warning("lease expired: not renewed in time", {{"lease", key_}});
        lost_.request_stop();
        return;
      }
      if (!wait_for(std::chrono::ceil<milliseconds>(left), end)) return;
    }
  }

  KeyValue& bucket_;
  const std::string key_;
  const LeaseRecord record_;
  std::uint64_t revision_;  // renewal thread until it is joined
  const LeaseTimes times_;
  const Clock& clock_;
  const Log& log_;
  std::atomic<Clock::SteadyTime> renewed_at_;
  std::stop_source end_, lost_;
  std::thread renewal_, expiry_;  // last: they use the rest
};

// What the watch of one lease key has told so far, shared with the thread that waits.
struct Watched {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::uint64_t news = 0;
};

}  // namespace

Result<std::optional<LeaseRecord>> read_lease(KeyValue& bucket, const std::string& key) {
  auto entry = bucket.get(key);
  if (!entry) return tl::unexpected(entry.error());
  if (!*entry) return std::nullopt;
  auto record = record_from((*entry)->value);
  if (!record) return tl::unexpected(record.error());
  return *record;
}

namespace {

// One look and, if the observer allows, one try. Nothing = somebody else holds it, or was quicker.
struct Attempt {
  std::unique_ptr<Lease> lease;
  std::string holder;
};

Result<Attempt> try_to_take(KeyValue& bucket, const std::string& key, const std::string& holder,
                            LeaseTimes times, const Clock& clock, const Log& log,
                            LeaseObserver& observer) {
  auto entry = bucket.get(key);
  if (!entry) return tl::unexpected(entry.error());
  LeaseRecord next{.holder = holder, .counter = 1};
  const auto taken = [&, asked_at = clock.steady_now()](std::uint64_t revision) {
    return Attempt{
        std::make_unique<HeldLease>(bucket, key, next, revision, times, asked_at, clock, log), {}};
  };
  if (!*entry) {
    observer.saw(std::nullopt, false);
    auto created = bucket.create(key, to_json(next));
    if (created) return taken(*created);
    if (created.error().reason == "KeyExists") return Attempt{};
    return tl::unexpected(created.error());
  }
  auto record = record_from((*entry)->value);
  if (!record) return tl::unexpected(record.error());
  observer.saw((*entry)->revision, record->released);
  if (!observer.may_take()) return Attempt{nullptr, record->holder};
  next.counter = record->counter + 1;
  auto updated = bucket.update(key, to_json(next), (*entry)->revision);
  if (updated) return taken(*updated);
  if (updated.error().reason == "RevisionConflict") return Attempt{nullptr, record->holder};
  return tl::unexpected(updated.error());
}

}  // namespace

Result<std::unique_ptr<Lease>> acquire_lease(KeyValue& bucket, const std::string& key,
                                             const std::string& holder, LeaseTimes times,
                                             const Clock& clock, const Log& log,
                                             milliseconds patience, std::stop_token stop) {
  const auto deadline = clock.steady_now() + patience;
  LeaseObserver observer(clock, times);
  Watched watched;
  std::jthread
      watcher;  // started only when there is something to wait for; stopped and joined at return
  std::uint64_t seen = 0;
  while (!stop.stop_requested()) {
    auto attempt = try_to_take(bucket, key, holder, times, clock, log, observer);
    if (!attempt) return tl::unexpected(attempt.error());
    if (attempt->lease) return std::move(attempt->lease);
    const auto left = duration_cast<milliseconds>(deadline - clock.steady_now());
    if (left <= milliseconds(0)) {
      return permanent("LeaseHeld", "lease " + key + " is held by " + attempt->holder);
    }
    if (!watcher.joinable()) {
      watcher = std::jthread([&](const std::stop_token& ended) {
        static_cast<void>(bucket.watch(
            key,
            [&](const KeyValueEntry&) {
              const std::scoped_lock lock(watched.mutex);
              ++watched.news;
              watched.changed.notify_all();
            },
            [] {}, ended));
      });
    }
    std::unique_lock lock(watched.mutex);
    watched.changed.wait_for(lock, stop, std::min(left, observer.time_left()) + milliseconds(1),
                             [&] { return watched.news != seen; });
    seen = watched.news;
  }
  return transient("Stopped", "stopped while waiting for lease " + key);
}

}  // namespace tunesmith::bus
