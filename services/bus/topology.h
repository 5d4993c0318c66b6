// All streams and buckets with their limits: one place, created by one idempotent call (`tunesmith
// bus init`). docs/bus.md has the table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::bus {

class Connection;

inline constexpr const char* kStream = "TUNESMITH";
inline constexpr const char* kDeadLetterStream = "TUNESMITH_DLQ";
inline constexpr const char* kAdvisoryStream = "TUNESMITH_ADVISORIES";
// Notes of a stopping service, see hand_backs.h.
inline constexpr const char* kHandBackPrefix = "tunesmith.handback.";
inline constexpr const char* kLogStream = "TUNESMITH_LOGS";
inline constexpr const char* kLogSubjectPrefix = "tunesmith.logs.v1.";  // and the uid

namespace bucket {
inline constexpr const char* kWorkspaces =
    "workspaces";  // spec.<ns>.<name>, configmap.<ns>.<name> (CLI); status.<ns>.<name> (watcher)
inline constexpr const char* kCurrent = "current";  // <uid> (watcher)
inline constexpr const char* kPlans = "plans";      // <uid>.<generation> (planner, create-only)
inline constexpr const char* kLeases = "leases";    // <uid> (gpu-worker)
inline constexpr const char* kResults = "results";  // <uid>.<tuning key> (gpu-worker, create-only)
inline constexpr const char* kRendezvous = "rendezvous";  // <uid> (rank 0's agent)
inline constexpr const char* kInventory = "inventory";    // <node> (provisioner)
}  // namespace bucket

struct TopologyOptions {
  int replicas = 1;
  // Of TUNESMITH; the other limits follow from it. Streams and buckets are reserved whole: where
  // the connection knows the server's limit, an eighth of that is the most, and the rest is for
  // objects.
  std::uint64_t max_stream_bytes = 1ull << 30;
};

// Creates what is missing and updates what differs. Safe to call at once from several places.
Result<void> init_topology(Connection& connection, const TopologyOptions& options);

}  // namespace tunesmith::bus
