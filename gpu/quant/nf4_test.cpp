#include "quant/nf4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

namespace tunesmith::engine {
namespace {

using testing::Each;
using testing::ElementsAre;

std::vector<float> random_weights(std::int64_t count) {
  std::mt19937 generator(5);
  std::normal_distribution<float> normal(0.0F, 0.02F);
  std::vector<float> weights(static_cast<std::size_t>(count));
  std::generate(weights.begin(), weights.end(), [&] { return normal(generator); });
  return weights;
}

template <typename T = float>
std::vector<T> dequantized(const Nf4Tensor& tensor, int threads = 1) {
  std::vector<T> out(static_cast<std::size_t>(tensor.element_count()));
  dequantize_nf4(tensor, std::span(out), threads);
  return out;
}

// The definition, element by element, without any of the kernels.
std::vector<float> by_definition(const Nf4Tensor& tensor) {
  std::vector<float> scales(static_cast<std::size_t>(tensor.block_count()));
  dequantize_scales(tensor, 0, scales);
  std::vector<float> out(static_cast<std::size_t>(tensor.element_count()));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const unsigned byte = tensor.packed[i / 2];
    out[i] = nf4_codebook()[i % 2 == 0 ? byte >> 4 : byte & 15U] * scales[i / kNf4Block];
  }
  return out;
}

TEST(Nf4, TablesAreSortedAndReachOne) {
  EXPECT_TRUE(std::is_sorted(nf4_codebook().begin(), nf4_codebook().end()));
  EXPECT_TRUE(std::is_sorted(dynamic_map().begin(), dynamic_map().end()));
  EXPECT_EQ(nf4_codebook()[7], 0.0F);
  EXPECT_EQ(dynamic_map().back(), 1.0F);
  EXPECT_EQ(std::count(dynamic_map().begin(), dynamic_map().end(), 0.0F), 1);
}

TEST(Nf4, TheFirstElementIsInTheHighNibble) {
  std::vector<float> weights(64, 0.0F);
  weights[0] = -2;
  weights[1] = 2;
  const Nf4Tensor tensor = quantize_nf4(weights, 1, 64, false);
  EXPECT_EQ(tensor.packed[0], 0x0F);
  EXPECT_EQ(tensor.packed[1], 0x77);
  EXPECT_THAT(tensor.absmax, ElementsAre(2.0F));
}

TEST(Nf4, ValuesOfTheCodebookComeBackExactly) {
  std::vector<float> weights;
  for (int i = 0; i < 4; ++i)
    weights.insert(weights.end(), nf4_codebook().begin(), nf4_codebook().end());
  EXPECT_EQ(dequantized(quantize_nf4(weights, 2, 32, false)), weights);
}

TEST(Nf4, ErrorIsAtMostHalfTheWidestGapOfTheCodebook) {
  const auto weights = random_weights(64 * 100);
  const Nf4Tensor tensor = quantize_nf4(weights, 100, 64, false);
  const auto back = dequantized(tensor);
  const float half_gap = (nf4_codebook()[1] - nf4_codebook()[0]) / 2;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    ASSERT_LE(std::fabs(weights[i] - back[i]), half_gap * tensor.absmax[i / 64] * 1.0001F);
  }
}

TEST(Nf4, DoubleQuantisationMovesScalesByLittle) {
  const auto weights = random_weights(64 * 1000);
  const Nf4Tensor single = quantize_nf4(weights, 1000, 64, false);
  const Nf4Tensor nested = quantize_nf4(weights, 1000, 64, true);
  EXPECT_FALSE(single.double_quantized());
  EXPECT_TRUE(nested.double_quantized());
  EXPECT_EQ(nested.packed, single.packed);
  EXPECT_EQ(nested.nested_absmax.size(), 4U);
  std::vector<float> scales(1000);
  dequantize_scales(nested, 0, scales);
  for (std::size_t i = 0; i < scales.size(); ++i) {
    // Half the widest step of the map (0.014) of the largest centred scale in the group.
    ASSERT_NEAR(scales[i], single.absmax[i], 0.0071F * nested.nested_absmax[i / 256] + 1e-7F);
  }
  // 0.5 byte of codes, 1/64 of scales and 4/(64*256) of second scales per parameter.
  EXPECT_NEAR(static_cast<double>(nested.size_bytes()) / 64000, 0.5159, 0.0001);
}

TEST(Nf4, ZeroStaysZero) {
  const std::vector<float> zeros(64 * 3 + 10, 0.0F);
  for (const bool nested : {false, true}) {
    const Nf4Tensor tensor = quantize_nf4(zeros, 1, 202, nested);
    EXPECT_THAT(tensor.packed, Each(0x77));
    EXPECT_THAT(dequantized(tensor), Each(0.0F));
  }
}

class Nf4Shapes : public testing::TestWithParam<std::pair<std::int64_t, std::int64_t>> {};

TEST_P(Nf4Shapes, EveryKernelGivesTheDefinition) {
  const auto [rows, cols] = GetParam();
  const auto weights = random_weights(rows * cols);
  for (const bool nested : {false, true}) {
    const Nf4Tensor tensor = quantize_nf4(weights, rows, cols, nested);
    EXPECT_EQ(tensor.packed.size(), static_cast<std::size_t>((rows * cols + 1) / 2));
    const auto expected = by_definition(tensor);
    EXPECT_EQ(dequantized(tensor), expected);
    const auto halves = dequantized<std::uint16_t>(tensor);
    for (std::size_t i = 0; i < halves.size(); ++i) {
      // Rounded to nearest: no bf16 neighbour is closer.
      const float value = std::bit_cast<float>(static_cast<std::uint32_t>(halves[i]) << 16);
      ASSERT_LE(std::fabs(value - expected[i]), std::fabs(expected[i]) * 0x1p-8F);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Nf4Shapes,
                         testing::Values(std::pair{1, 1}, std::pair{1, 63}, std::pair{1, 64},
                                         std::pair{1, 65}, std::pair{3, 33}, std::pair{64, 64},
                                         std::pair{65, 130}, std::pair{1, 64 * 64 + 1}));

TEST(Nf4, TheNumberOfThreadsMakesNoDifference) {
  const std::int64_t rows = 700;
  const std::int64_t cols = 1001;  // enough blocks for two threads, and a short last one
  const auto weights = random_weights(rows * cols);
  const Nf4Tensor one = quantize_nf4(weights, rows, cols, true, 1);
  const Nf4Tensor three = quantize_nf4(weights, rows, cols, true, 3);
  EXPECT_EQ(one.packed, three.packed);
  EXPECT_EQ(one.absmax_codes, three.absmax_codes);
  EXPECT_EQ(one.nested_absmax, three.nested_absmax);
  EXPECT_EQ(dequantized(one, 1), dequantized(one, 3));
  EXPECT_EQ(dequantized<std::uint16_t>(one, 1), dequantized<std::uint16_t>(one, 3));
}

TEST(Nf4, RangesOfBlocksAreTheSameAsTheWhole) {
  const auto weights = random_weights(64 * 9 + 20);
  const Nf4Tensor tensor = quantize_nf4(weights, 1, 64 * 9 + 20, true);
  const auto whole = dequantized(tensor);
  std::vector<float> part(64 * 2 + 20);
  dequantize_nf4_blocks(tensor, 7, 3, std::span(part));
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + 64 * 7));
  std::vector<std::uint16_t> halves(64);
  dequantize_nf4_blocks(tensor, 3, 1, std::span(halves));
  const auto whole_halves = dequantized<std::uint16_t>(tensor);
  EXPECT_TRUE(std::equal(halves.begin(), halves.end(), whole_halves.begin() + 64 * 3));
}

}  // namespace
}  // namespace tunesmith::engine
