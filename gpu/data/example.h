// One training example.
#pragma once

#include <cstdint>
#include <vector>

namespace tunesmith::engine {

// tokens.size() == is_target.size() >= 2, at least one target. is_target[i] = 1: the loss counts
// how well tokens[i] is predicted from tokens[0..i). Nothing predicts the first token: is_target[0]
// = 0.
struct Example {
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> is_target;
};

}  // namespace tunesmith::engine
