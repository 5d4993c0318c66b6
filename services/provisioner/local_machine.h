// This machine as the node provider: a fixed number of resident workers and a queue in front of
// them.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "bus/event.h"
#include "bus/key_value.h"
#include "bus/lease.h"
#include "provisioner/metrics.h"
#include "provisioner/node_provider.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "tunesmith/events/v1/nodes.pb.h"

namespace tunesmith::provisioner {

// All references outlive it.
struct LocalParts {
  bus::Publisher& publisher;
  bus::KeyValue& current;
  bus::KeyValue& plans;
  bus::KeyValue& inventory;
  bus::KeyValue& leases;
  const Clock& clock;
  Metrics& metrics;
  Log log;
  std::string node;
  std::uint32_t workers = 1;
  std::uint64_t memory_bytes_per_worker = 0;
  bus::LeaseTimes lease_times{};  // those of the workers
};

class LocalMachine final : public NodeProvider {
 public:
  explicit LocalMachine(LocalParts parts) : parts_(std::move(parts)) {}

  Result<void> want(const events::v1::PlanCleared& cleared, std::int64_t since,
                    const std::string& traceparent) override;
  Result<void> release(const Release& wish) override;
  Result<void> reconcile(const std::string& uid) override;

 private:
  struct Stored {
    SlotState state;
    std::uint64_t revision = 0;  // 0 = not stored yet
  };
  Result<Stored> load();
  // Changes the state by compare-and-set, as often as others come between.
  Result<SlotState> change(const std::function<SlotState(SlotState)>& edit);
  Result<void> apply(const Wishes& wishes);
  Result<void> announce(const Announcement& announcement);
  // nullopt: the plan is gone; whoever observes the Workspace again brings it back.
  Result<std::optional<events::v1::Plan>> plan_of(const Claim& claim);
  Result<bool> still_counts(const Claim& claim);
  // No worker holds the lease, or the one that does has not renewed it since it was looked at some
  // time ago.
  Result<bool> unattended(const std::string& uid);

  const LocalParts parts_;
  std::mutex
      mutex_;  // one turn at a time in this process; the compare-and-set is for other processes
  std::map<std::string, bus::LeaseObserver> leases_;  // by uid, of those that are assigned
};

}  // namespace tunesmith::provisioner
