// The two code tables of NF4, and what is derived from them.
#include <algorithm>
#include <cmath>

#include "quant/nf4.h"
#include "quant/nf4_internal.h"

namespace tunesmith::engine {
namespace {

// Means of neighbours on a grid of 2^exponent steps over [0.1, 1], scaled to the decade
// 10^(exponent - 6), in the fp32 steps of bitsandbytes (torch.linspace counts down from the end in
// its upper half).
void add_decade(int exponent, std::vector<float>& values) {
  const int steps = 1 << exponent;
  const float start = 0.1F;
  const float step = (1.0F - start) / static_cast<float>(steps);
  const auto boundary = [&](int i) {
    const bool lower_half = i < (steps + 1) / 2;
    return lower_half ? std::fma(step, static_cast<float>(i), start)
                      : std::fma(-step, static_cast<float>(steps - i), 1.0F);
  };
  const auto decade = static_cast<float>(std::pow(10.0, exponent - 6));
  for (int i = 0; i < steps; ++i) {
    const float mean = (boundary(i) + boundary(i + 1)) / 2.0F;
    values.push_back(decade * mean);
    values.push_back(-decade * mean);
  }
}

std::array<float, 256> make_dynamic_map() {
  std::vector<float> values = {0.0F, 1.0F};
  for (int exponent = 0; exponent < 7; ++exponent) add_decade(exponent, values);
  std::sort(values.begin(), values.end());
  std::array<float, 256> map{};
  std::copy(values.begin(), values.end(), map.begin());
  return map;
}

}  // namespace

const std::array<float, 16>& nf4_codebook() {
  static constexpr std::array<float, 16> kCodebook = {-1.0F,
                                                      -0.6961928009986877F,
                                                      -0.5250730514526367F,
                                                      -0.39491748809814453F,
                                                      -0.28444138169288635F,
                                                      -0.18477343022823334F,
                                                      -0.09105003625154495F,
                                                      0.0F,
                                                      0.07958029955625534F,
                                                      0.16093020141124725F,
                                                      0.24611230194568634F,
                                                      0.33791524171829224F,
                                                      0.44070982933044434F,
                                                      0.5626170039176941F,
                                                      0.7229568362236023F,
                                                      1.0F};
  return kCodebook;
}

const std::array<float, 256>& dynamic_map() {
  static const std::array<float, 256> kMap = make_dynamic_map();
  return kMap;
}

std::int64_t Nf4Tensor::size_bytes() const {
  return static_cast<std::int64_t>(packed.size() + absmax_codes.size() +
                                   sizeof(float) * (absmax.size() + nested_absmax.size()));
}

}  // namespace tunesmith::engine
