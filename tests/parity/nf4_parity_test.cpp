// NF4 against bitsandbytes: the same bytes out of the same weights, the same weights out of the
// same bytes.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <numeric>

#include "formats/convert.h"
#include "golden.h"
#include "quant/nf4.h"
#include "quant/nf4_state.h"

namespace tunesmith::engine {
namespace {

const GoldenTensors& goldens() {
  static const GoldenTensors kGoldens("nf4.safetensors");
  return kGoldens;
}

struct Weight {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<float> values;
};

Weight weight_of(const std::string& name) {
  const TensorView& view = *goldens().file().find(name + ".weight");
  return {view.shape[0], view.shape[1], to_fp32(view).value()};
}

// What bitsandbytes stored, in our structure.
Nf4Tensor stored_by_peer(const std::string& name, bool double_quantized) {
  const Weight weight = weight_of(name);
  Nf4Tensor tensor;
  tensor.rows = weight.rows;
  tensor.cols = weight.cols;
  tensor.packed = goldens().get<std::uint8_t>(name + ".packed");
  if (!double_quantized) {
    tensor.absmax = goldens().get<float>(name + ".absmax");
    return tensor;
  }
  tensor.absmax_codes = goldens().get<std::uint8_t>(name + ".absmax_codes");
  tensor.nested_absmax = goldens().get<float>(name + ".nested_absmax");
  tensor.nested_offset = goldens().get<float>(name + ".nested_offset").at(0);
  return tensor;
}

std::vector<std::uint32_t> bits(const std::vector<float>& values) {
  std::vector<std::uint32_t> out(values.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::bit_cast<std::uint32_t>(values[i]);
  return out;
}

template <typename T>
std::vector<T> dequantized(const Nf4Tensor& tensor, int threads = 1) {
  std::vector<T> out(static_cast<std::size_t>(tensor.element_count()));
  dequantize_nf4(tensor, std::span(out), threads);
  return out;
}

class Nf4Parity : public testing::TestWithParam<const char*> {};

TEST(Nf4Tables, AreTheOnesOfBitsandbytes) {
  const auto codebook = goldens().get<float>("codebook");
  const auto map = goldens().get<float>("dynamic_map");
  EXPECT_EQ(bits({nf4_codebook().begin(), nf4_codebook().end()}), bits(codebook));
  EXPECT_EQ(bits({dynamic_map().begin(), dynamic_map().end()}), bits(map));
}

TEST_P(Nf4Parity, QuantizesToTheSameBytes) {
  const std::string name = GetParam();
  const Weight weight = weight_of(name);
  const Nf4Tensor ours = quantize_nf4(weight.values, weight.rows, weight.cols, false);
  EXPECT_EQ(ours.packed, goldens().get<std::uint8_t>(name + ".packed"));
  EXPECT_EQ(bits(ours.absmax), bits(goldens().get<float>(name + ".absmax")));
}

// The offset is a mean, and torch's fp32 sum depends on the machine's vector width; ours is the
// exact mean, rounded. Where both offsets agree every byte does. Where they do not (by at most two
// units in the last place), all bytes agree but those of scales that lie within that difference of
// a border between two codes, and there the codes are neighbours.
TEST_P(Nf4Parity, QuantizesTheScalesToTheSameBytes) {
  const std::string name = GetParam();
  const Weight weight = weight_of(name);
  const Nf4Tensor ours = quantize_nf4(weight.values, weight.rows, weight.cols, true);
  const Nf4Tensor peer = stored_by_peer(name, true);
  EXPECT_EQ(ours.packed, peer.packed);
  ASSERT_EQ(ours.absmax_codes.size(), peer.absmax_codes.size());
  if (std::bit_cast<std::uint32_t>(ours.nested_offset) ==
      std::bit_cast<std::uint32_t>(peer.nested_offset)) {
    EXPECT_EQ(ours.absmax_codes, peer.absmax_codes);
    EXPECT_EQ(bits(ours.nested_absmax), bits(peer.nested_absmax));
    return;
  }
  const float two_units = std::fabs(peer.nested_offset) * 0x1p-22F;
  EXPECT_NEAR(ours.nested_offset, peer.nested_offset, two_units);
  std::size_t different = 0;
  for (std::size_t i = 0; i < ours.absmax_codes.size(); ++i) {
    if (ours.absmax_codes[i] != peer.absmax_codes[i]) ++different;
    EXPECT_NEAR(ours.absmax_codes[i], peer.absmax_codes[i], 1) << "scale " << i;
  }
  EXPECT_LE(different, ours.absmax_codes.size() / 256);
  ASSERT_EQ(ours.nested_absmax.size(), peer.nested_absmax.size());
  for (std::size_t i = 0; i < ours.nested_absmax.size(); ++i) {
    EXPECT_NEAR(ours.nested_absmax[i], peer.nested_absmax[i], two_units);
  }
}

class Nf4Values : public testing::TestWithParam<const char*> {};

TEST_P(Nf4Values, DequantizesToTheSameBits) {
  const std::string name = GetParam();
  EXPECT_EQ(bits(dequantized<float>(stored_by_peer(name, false))),
            bits(goldens().get<float>(name + ".fp32")));
  const Nf4Tensor nested = stored_by_peer(name, true);
  EXPECT_EQ(bits(dequantized<float>(nested)), bits(goldens().get<float>(name + ".double_fp32")));
  EXPECT_EQ(dequantized<std::uint16_t>(nested),
            goldens().get<std::uint16_t>(name + ".double_bf16"));
}

std::string name_of(const testing::TestParamInfo<const char*>& info) { return info.param; }

INSTANTIATE_TEST_SUITE_P(Goldens, Nf4Values,
                         testing::Values("random", "ramp", "zero", "constant", "huge", "tiny",
                                         "subnormal", "mixed", "ties", "ragged", "ragged_odd",
                                         "single", "ragged_zero", "outlier"),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Goldens, Nf4Parity,
                         testing::Values("random", "wide", "ramp", "zero", "constant", "huge",
                                         "tiny", "subnormal", "mixed", "ties", "ragged",
                                         "ragged_odd", "single", "ragged_zero", "outlier"),
                         name_of);

TEST(Nf4Checkpoint, OfTransformersIsReadAndWrittenBack) {
  const auto weights = ModelWeights::open(golden("tiny-nf4")).value();
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  ASSERT_TRUE(has_nf4_state(weights, name));
  ASSERT_FALSE(has_nf4_state(weights, "model.embed_tokens.weight"));
  const Nf4Tensor tensor = read_nf4_state(weights, name).value();
  EXPECT_EQ(tensor.rows, 64);
  EXPECT_EQ(tensor.cols, 128);
  EXPECT_TRUE(tensor.double_quantized());

  const Nf4State state(name, tensor, DType::kF32);
  EXPECT_EQ(state.views().size(), 6U);
  for (const TensorView& view : state.views()) {
    const TensorView theirs = weights.tensor(view.name).value();
    EXPECT_EQ(view.dtype, theirs.dtype) << view.name;
    if (view.name.ends_with("bitsandbytes__nf4")) continue;  // the same JSON with other spaces
    EXPECT_EQ(view.shape, theirs.shape) << view.name;
    EXPECT_TRUE(
        std::equal(view.bytes.begin(), view.bytes.end(), theirs.bytes.begin(), theirs.bytes.end()))
        << view.name;
  }
}

// The checkpoint was made from tiny-llama, so quantising its weights must give what the checkpoint
// holds.
TEST(Nf4Checkpoint, EqualsOurOwnQuantisation) {
  const auto base = ModelWeights::open(golden("tiny-llama")).value();
  const auto quantized = ModelWeights::open(golden("tiny-nf4")).value();
  std::size_t matrices = 0;
  for (const std::string& name : base.names()) {
    if (!has_nf4_state(quantized, name)) continue;
    ++matrices;
    const TensorView view = base.tensor(name).value();
    const Nf4Tensor ours = quantize_nf4(to_fp32(view).value(), view.shape[0], view.shape[1], true);
    const Nf4Tensor theirs = read_nf4_state(quantized, name).value();
    EXPECT_EQ(ours.packed, theirs.packed) << name;
    EXPECT_LE(relative_error(dequantized<float>(ours), dequantized<float>(theirs)), 1e-6) << name;
  }
  EXPECT_EQ(matrices, 14U);
}

}  // namespace
}  // namespace tunesmith::engine
