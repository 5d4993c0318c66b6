// Random numbers that are the same on every machine, compiler and standard library.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tunesmith::engine {

// One generator per purpose, so that one more draw in one place changes nothing elsewhere.
// The numbers are a part of the adapter's identity: never renumber.
enum class RngStream : std::uint64_t {
  kSplit = 1,    // training and evaluation split
  kEpoch = 2,    // + epoch: order of the examples
  kAdapter = 3,  // initial LoRA weights
  kDropout = 4,
  kSampling = 5,
};

// xoshiro256** 1.0 (Blackman and Vigna, https://prng.di.unimi.it/xoshiro256starstar.c), its state
// filled by four outputs of splitmix64 (https://prng.di.unimi.it/splitmix64.c) started at
// seed ^ splitmix64_once(stream ^ splitmix64_once(index)). Not for cryptography. Not thread-safe.
class Rng {
 public:
  Rng(std::uint64_t seed, RngStream stream, std::uint64_t index = 0);

  // Uniform over all 64-bit values.
  std::uint64_t next();
  // Uniform over [0, bound), bound > 0, without bias (Lemire's multiplication with rejection).
  std::uint64_t below(std::uint64_t bound);
  // Uniform over [0, 1): the upper 53 bits times 2^-53.
  double uniform();

  // For checkpoints: the whole state, and back.
  std::array<std::uint64_t, 4> state() const { return state_; }
  void set_state(const std::array<std::uint64_t, 4>& state) { state_ = state; }

 private:
  std::array<std::uint64_t, 4> state_{};
};

// Fisher-Yates from the end: for i = n-1 … 1 swap(v[i], v[rng.below(i + 1)]), v = 0 … n-1.
std::vector<std::size_t> shuffled_indices(std::size_t n, Rng& rng);

// The order in which the n training examples (or packed sequences) are visited in an epoch:
// shuffled_indices(n, Rng(seed, kEpoch, epoch)).
std::vector<std::size_t> epoch_order(std::size_t n, std::uint64_t seed, std::uint64_t epoch);

}  // namespace tunesmith::engine
