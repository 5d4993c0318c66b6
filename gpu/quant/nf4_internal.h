// What the files of gpu/quant share and nobody else needs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace tunesmith::engine::nf4 {

// Blocks below which another thread costs more than it brings (a quarter of a million elements).
inline constexpr std::int64_t kMinBlocksPerThread = 4096;

// Calls work(first, count) for consecutive ranges of [0, blocks) on up to `threads` threads, the
// caller's among them, and returns when all are done. `work` must not throw.
template <typename Work>
void for_block_ranges(std::int64_t blocks, int threads, const Work& work) {
  const std::int64_t useful = std::max<std::int64_t>(1, blocks / kMinBlocksPerThread);
  const std::int64_t parts = std::clamp<std::int64_t>(threads, 1, useful);
  std::vector<std::jthread> others;
  for (std::int64_t part = 1; part < parts; ++part) {
    const std::int64_t first = blocks * part / parts;
    others.emplace_back(work, first, blocks * (part + 1) / parts - first);
  }
  work(0, blocks / parts);
}

}  // namespace tunesmith::engine::nf4
