// Removes what a deleted Workspace, or an older version of one, left on the bus.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>

#include "bus/lease.h"
#include "bus/log_stream.h"
#include "bus/object_store.h"
#include "runtime/clock.h"
#include "runtime/log.h"

namespace tunesmith::provisioner {

// All outlive the call.
struct CleanupParts {
  bus::KeyValue& plans;
  bus::KeyValue& results;
  bus::KeyValue& leases;
  bus::KeyValue& rendezvous;
  bus::ObjectStore& objects;
  bus::LogStream& logs;
  const Clock& clock;
  Log log;
  bus::LeaseTimes lease_times{};
  std::chrono::milliseconds lease_patience{30'000};  // for a worker to stop and let go
};

// Takes the lease first, so that no worker can write behind us, then removes the object bucket,
// log lines, results, plans, rendezvous and the lease. Idempotent. Permanent `LeaseHeld` when a
// worker did not let go in time (try again); Transient `BusUnavailable`, `Stopped`.
Result<void> clean_up(const std::string& uid, const CleanupParts& parts, std::stop_token stop);

// What of it is still there, for people: "left: the lease of worker-1, the objects, 2 results";
// what cannot be asked is left out.
std::string left_behind(const std::string& uid, const CleanupParts& parts);

// Removes the Workspace's results, adapters and checkpoints of other tuning keys; how many objects
// there were. Idempotent; a missing bucket has none.
Result<std::size_t> remove_other_keys(const std::string& uid, const std::string& tuning_key,
                                      const CleanupParts& parts);

}  // namespace tunesmith::provisioner
