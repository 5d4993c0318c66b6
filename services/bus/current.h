// KV `current`: which generation of each Workspace counts. Written by the watcher only; every
// handler asks before and after its effect.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "bus/key_value.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/common.pb.h"

namespace tunesmith::bus {

// Under the key <uid>, as JSON.
struct Current {
  std::int64_t generation = 0;
  std::string annotations_hash{};  // of our own annotations; a change of it is a new pass
  bool deleting = false;
  bool suspended = false;
  // The pass of the newest change of this generation, ours of the annotations included: events of
  // lower passes are from before it, those of higher ones only looked again.
  std::int64_t pass = 0;

  bool operator==(const Current&) const = default;
};

std::string to_json(const Current& current);
Result<Current> current_from_json(const std::string& json);

enum class Standing {
  kCurrent,    // go on
  kOutdated,   // a newer generation exists: acknowledge and drop
  kDeleting,   // being deleted or deleted: acknowledge and drop (clean-up goes on)
  kSuspended,  // the user suspended it: acknowledge and drop
};

// A missing entry counts as kDeleting: the watcher writes it before it announces anything, so what
// is missing is gone.
Standing standing_of(const std::optional<Current>& current, std::int64_t generation);

// Nothing when there is no entry. Poison `CurrentUndecodable`.
Result<std::optional<Current>> read_current(KeyValue& current_bucket, const std::string& uid);

Result<Standing> standing(KeyValue& current_bucket, const events::v1::WorkspaceRef& workspace);

// Blocks on the bucket's watch until this generation no longer counts (returns how) or `stop`
// (returns kCurrent).
Result<Standing> wait_until_superseded(KeyValue& current_bucket,
                                       const events::v1::WorkspaceRef& workspace,
                                       std::stop_token stop);

}  // namespace tunesmith::bus
