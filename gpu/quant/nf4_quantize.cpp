// fp32 -> NF4. The arithmetic follows bitsandbytes 0.50 on the CPU step by step, because the bytes
// must be the same.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "quant/nf4.h"
#include "quant/nf4_internal.h"

namespace tunesmith::engine {
namespace {

// Half-way points between neighbours of the codebook, in fp32. (bitsandbytes' CUDA source writes
// them as decimals that lie a hair off, some on the border between two floats; every digit counts
// here.) A value's code is how many of them lie strictly below it, so a tie goes to the smaller
// code.
constexpr float kThresholds[15] = {
    -0.8480963706970215F,  -0.6106328964233398F,  -0.4599952697753906F,   -0.33967941999435425F,
    -0.23460739850997925F, -0.13791173696517944F, -0.045525018125772476F, 0.03979014977812767F,
    0.120255246758461F,    0.2035212516784668F,   0.2920137643814087F,    0.3893125355243683F,
    0.5016634464263916F,   0.6427869200706482F,   0.8614784479141235F};

// bitsandbytes clamps the scale of an (almost) all-zero block so that its reciprocal exists.
constexpr float kTinyScale = 1e-38F;

float largest_magnitude(const float* values, std::int64_t count) {
  float largest = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(values[i]));
  return largest;
}

// One full block: scale is stored as found, values are multiplied by the reciprocal.
__attribute__((target_clones("default", "avx2", "avx512f"))) void encode_block(
    const float* values, float* scale, std::uint8_t* packed) {
  float largest = 0;
  for (int i = 0; i < kNf4Block; ++i) largest = std::max(largest, std::fabs(values[i]));
  *scale = largest;
  const float reciprocal = 1.0F / std::max(largest, kTinyScale);
  float scaled[kNf4Block];
  std::int32_t codes[kNf4Block] = {};
  for (int i = 0; i < kNf4Block; ++i) scaled[i] = values[i] * reciprocal;
  for (const float threshold : kThresholds) {
    for (int i = 0; i < kNf4Block; ++i) codes[i] += scaled[i] > threshold ? 1 : 0;
  }
  for (std::int64_t i = 0; i < kNf4Block / 2; ++i) {
    packed[i] = static_cast<std::uint8_t>(codes[2 * i] << 4 | codes[2 * i + 1]);
  }
}

// The last block when it is short: bitsandbytes clamps the stored scale too, divides instead of
// multiplying, and pads an odd element with zero.
void encode_tail(const float* values, std::int64_t count, float* scale, std::uint8_t* packed) {
  *scale = std::max(largest_magnitude(values, count), kTinyScale);
  const auto code = [&](std::int64_t i) {
    const float scaled = i < count ? values[i] / *scale : 0.0F;
    return static_cast<unsigned>(std::count_if(std::begin(kThresholds), std::end(kThresholds),
                                               [&](float t) { return scaled > t; }));
  };
  for (std::int64_t i = 0; i < count; i += 2) {
    packed[i / 2] = static_cast<std::uint8_t>(code(i) << 4 | code(i + 1));
  }
}

// bitsandbytes does not compare a scale with the dynamic map itself: it rounds to one of 65536 grid
// points over [-1, 1] first, then takes the point's code (how many half-way points lie strictly
// below it).
constexpr int kGridPoints = 65536;

std::vector<std::uint8_t> make_grid_codes() {
  const auto& map = dynamic_map();
  std::vector<std::uint8_t> codes(kGridPoints);
  std::size_t code = 0;
  for (int point = 0; point < kGridPoints; ++point) {
    const float value = -1.0F + (2.0F * static_cast<float>(point)) / (kGridPoints - 1);
    while (code + 1 < map.size() && 0.5F * (map[code] + map[code + 1]) < value) ++code;
    codes[static_cast<std::size_t>(point)] = static_cast<std::uint8_t>(code);
  }
  return codes;
}

std::uint8_t grid_code(float normalized) {
  static const std::vector<std::uint8_t> kCodes = make_grid_codes();
  const float half = (std::clamp(normalized, -1.0F, 1.0F) + 1.0F) * 0.5F;
  return kCodes[static_cast<std::size_t>(std::fma(half, float{kGridPoints - 1}, 0.5F))];
}

// Replaces `tensor.absmax` by its eight-bit form.
void quantize_scales(Nf4Tensor& tensor) {
  const std::vector<float> scales = std::move(tensor.absmax);
  tensor.absmax.clear();
  // Summed in double: torch's fp32 sum depends on the vector width of the machine, this does not.
  // Where the two differ in the last bit, a scale exactly between two codes may get the other one.
  const double sum = std::accumulate(scales.begin(), scales.end(), 0.0);
  tensor.nested_offset =
      scales.empty() ? 0.0F : static_cast<float>(sum / static_cast<double>(scales.size()));
  std::vector<float> centred(scales.size());
  std::transform(scales.begin(), scales.end(), centred.begin(),
                 [&](float scale) { return scale - tensor.nested_offset; });
  tensor.absmax_codes.resize(scales.size());
  for (std::size_t first = 0; first < centred.size(); first += kNf4NestedBlock) {
    const std::size_t count = std::min<std::size_t>(kNf4NestedBlock, centred.size() - first);
    const float largest =
        largest_magnitude(centred.data() + first, static_cast<std::int64_t>(count));
    tensor.nested_absmax.push_back(largest);
    for (std::size_t i = first; i < first + count; ++i) {
      tensor.absmax_codes[i] = largest == 0 ? 0 : grid_code(centred[i] * (1.0F / largest));
    }
  }
}

}  // namespace

Nf4Tensor quantize_nf4(std::span<const float> weights, std::int64_t rows, std::int64_t cols,
                       bool double_quantization, int threads) {
  Nf4Tensor tensor;
  tensor.rows = rows;
  tensor.cols = cols;
  const std::int64_t count = tensor.element_count();
  const std::int64_t full_blocks = count / kNf4Block;
  tensor.packed.resize(static_cast<std::size_t>((count + 1) / 2));
  tensor.absmax.resize(static_cast<std::size_t>(tensor.block_count()));
  nf4::for_block_ranges(full_blocks, threads, [&](std::int64_t first, std::int64_t blocks) {
    for (std::int64_t block = first; block < first + blocks; ++block) {
      encode_block(weights.data() + block * kNf4Block, tensor.absmax.data() + block,
                   tensor.packed.data() + block * kNf4Block / 2);
    }
  });
  if (const std::int64_t tail = count - full_blocks * kNf4Block; tail > 0) {
    encode_tail(weights.data() + full_blocks * kNf4Block, tail, &tensor.absmax.back(),
                tensor.packed.data() + full_blocks * kNf4Block / 2);
  }
  if (double_quantization) quantize_scales(tensor);
  return tensor;
}

}  // namespace tunesmith::engine
