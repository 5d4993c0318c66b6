// What a put_file that was killed midway left in a bucket. Internal to bus/.
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "bus/nats_client.h"

namespace tunesmith::bus {

// Chunks of one object that is being, or was to be, stored.
struct ChunkSet {
  std::string nuid{};
  std::chrono::nanoseconds silent{0};  // since its last chunk, by the server's clock
};

// All chunk sets of a bucket that are not `live` (that no meta names). Empty for a missing bucket.
Result<std::vector<ChunkSet>> chunks_without_meta(NatsClient& client, const std::string& bucket,
                                                  const std::set<std::string>& live);

}  // namespace tunesmith::bus
