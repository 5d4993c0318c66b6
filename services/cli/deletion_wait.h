// Waits for objects that are being deleted.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "bus/key_value.h"
#include "runtime/result.h"

namespace tunesmith::cli {

// True when nothing under the key is being deleted (any more): it is gone, or somebody has made it
// anew. False when `limit` (nullopt = none) or `stop` came first. Blocks on the bucket's watch.
Result<bool> wait_until_deleted(bus::KeyValue& objects, const std::string& key,
                                std::optional<std::chrono::milliseconds> limit,
                                std::stop_token stop);

}  // namespace tunesmith::cli
