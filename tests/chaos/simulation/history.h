// One history from a seed to a verdict.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "simulation/mutation.h"

namespace tunesmith::simulation {

struct Verdict {
  std::uint64_t seed = 0;
  std::string violation;           // empty = all promises were kept
  std::vector<std::string> story;  // when it was wanted
  std::uint64_t switches = 0;      // of threads: a measure of what happened, and a fingerprint
  std::int64_t virtual_seconds = 0;
  std::map<std::string, int> deaths;  // where processes died
};

// Runs in this process, on the calling thread. What killed services held stays allocated: for many
// histories see runner.h.
// In a folder of its own below `base`.
Verdict run_history(std::uint64_t seed, bool story, Mutation::Kind mutation,
                    const std::filesystem::path& base);

}  // namespace tunesmith::simulation
