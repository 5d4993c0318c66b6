// A lease in the bucket `leases`: one holder at a time, a fencing counter, expiry judged by the
// observer's own monotonic clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "bus/key_value.h"
#include "runtime/clock.h"
#include "runtime/config.h"
#include "runtime/log.h"
#include "runtime/result.h"

namespace tunesmith::bus {

struct LeaseTimes {
  std::chrono::milliseconds duration{15'000};
  std::chrono::milliseconds renew_every{5'000};

  // Keys lease_duration, lease_renew_every (at most half of lease_duration). Who takes and who
  // observes leases must be told the same.
  static LeaseTimes from_config(ConfigReader& config);
};

// What stands in the bucket, as JSON {"holder":"…","counter":N,"released":false}.
struct LeaseRecord {
  std::string holder{};
  std::uint64_t counter = 0;  // grows with every new holding; the gang's attempt
  bool released = false;
};

// Watches one lease key and says when it may be taken: released, missing, or not renewed for
// `duration` since this observer first saw its last revision. Pure but for the clock. One thread at
// a time.
class LeaseObserver {
 public:
  LeaseObserver(const Clock& clock, LeaseTimes times) : clock_(clock), times_(times) {}
  void saw(std::optional<std::uint64_t> revision, bool released);
  bool may_take() const;
  std::chrono::milliseconds time_left() const;  // until it may be taken if nothing changes; 0 = now

 private:
  const Clock& clock_;
  LeaseTimes times_;
  std::optional<std::uint64_t> revision_;
  bool released_ = true;
  Clock::SteadyTime seen_at_{};
};

// A held lease, renewed on a thread of its own. Losing it (not renewed in time, taken by another)
// requests `lost()`: whoever works under the lease stops then. release() or the destructor ends the
// renewal; release() also lets the next holder in at once.
class Lease {
 public:
  virtual ~Lease() = default;
  virtual std::uint64_t counter() const = 0;
  virtual std::stop_token lost() const = 0;
  virtual Result<void> release() = 0;
};

// Takes `key` for `holder`, waiting (on the bucket's watch, no polling) until it may be taken,
// `stop` or `patience` is over. Permanent `LeaseHeld` names the holder when patience is over;
// Transient `Stopped`, `BusUnavailable`. `bucket`, `clock` and `log` outlive the lease.
Result<std::unique_ptr<Lease>> acquire_lease(KeyValue& bucket, const std::string& key,
                                             const std::string& holder, LeaseTimes times,
                                             const Clock& clock, const Log& log,
                                             std::chrono::milliseconds patience,
                                             std::stop_token stop);

// The record under `key`, if there is one.
Result<std::optional<LeaseRecord>> read_lease(KeyValue& bucket, const std::string& key);

}  // namespace tunesmith::bus
