// Who works on this machine and who waits: a value, and the one pure function that decides about
// it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/result.h"
#include "tunesmith/events/v1/common.pb.h"

namespace tunesmith::provisioner {

// One Workspace that has, or waits for, a worker.
struct Claim {
  std::string uid, name_space, name;
  std::int64_t generation = 0;
  std::int64_t pass = 0;    // of the PlanCleared that is served
  std::int64_t since = 0;   // of the newest change before it: failures from there on are its own
  std::string traceparent;  // of that event
  std::uint64_t sequence =
      0;  // number of what is to be told in this pass: assignments, or changes of the place
  bool announced = false;   // that is in the stream
  std::uint32_t place = 0;  // in the queue, from 1; 0 = assigned
  bool unattended = false;  // of a wish, not stored: no worker holds its lease

  bool operator==(const Claim&) const = default;
  events::v1::WorkspaceRef workspace() const;
};

// What is no longer wanted: the claim of `uid`, if it is of a generation up to `generation` and no
// change came after `pass`.
struct Release {
  std::string uid;
  std::int64_t generation = 0;
  std::int64_t pass = 0;

  bool operator==(const Release&) const = default;
};

// Stands in KV `inventory` under the node's name as JSON; changed by compare-and-set only. A uid
// stands in it once.
struct SlotState {
  std::string node;
  std::uint32_t workers = 1;
  std::uint64_t memory_bytes_per_worker = 0;  // what the planner plans with
  std::vector<Claim> assigned;  // at most `workers`, unless the operator lowered the number
  // The last passes that ended for good, newest last, at most 256: a PlanCleared that comes after
  // the end, delivered once more or of a look again, must not be served. A change is.
  std::vector<Release> ended;
  std::vector<Claim> waiting;  // in the order they came

  bool operator==(const SlotState&) const = default;
};

std::string to_json(const SlotState& state);
// Permanent `InventoryUndecodable`.
Result<SlotState> slot_state_from_json(const std::string& json);

inline constexpr std::int64_t kAnyPass = INT64_MAX;
inline constexpr std::int64_t kAnyGeneration = INT64_MAX;

// What changes at once. Releases come first.
struct Wishes {
  std::vector<Release> releases;
  std::vector<Claim> claims;  // PlanCleared: one that is known takes over generation, pass and
                              // trace, and is announced again; a look again changes nothing
                              // for one that was told to run, unless no worker is at it
};

// What is to be announced; after it was, announced() records it.
struct Announcement {
  enum class Kind { kReady, kPending } kind = Kind::kReady;
  Claim claim;
};

struct Decision {
  SlotState state;
  std::vector<Announcement> announcements;
};

// Pure. Grants the wishes, moves the longest waiting into free slots, and says everything that is
// true and not yet announced. Called with no wishes it gives what is still to be said (after a
// crash).
Decision next_actions(SlotState state, const Wishes& wishes);

// Pure. `state` once `done` is in the stream; a claim that changed meanwhile stays to be announced.
SlotState announced(SlotState state, const Announcement& done);

}  // namespace tunesmith::provisioner
