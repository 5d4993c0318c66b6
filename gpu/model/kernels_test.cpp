// Every kernel of every instruction set that this CPU has, in both element types, against the
// plain reference.
#include "model/kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "data/rng.h"
#include "model/kernels_reference.h"

namespace tunesmith::engine {
namespace {

using reference::Values;

struct Target {
  Isa isa;
  Elem elem;
};

// A matrix of the table's element type, with its values in double.
class Operand {
 public:
  Operand(std::int64_t rows, std::int64_t cols, Elem elem, Rng* rng = nullptr, double size = 1)
      : buffer_(static_cast<std::size_t>(rows * cols * elem_size(elem))),
        matrix_(buffer_.matrix(rows, cols, elem)) {
    for (std::int64_t i = 0; rng != nullptr && i < rows * cols; ++i) {
      set(i, static_cast<float>((2 * rng->uniform() - 1) * size));
    }
  }
  void* data() const { return matrix_.data; }
  std::int64_t stride() const { return matrix_.row_stride; }
  double operator[](std::int64_t i) const {
    if (matrix_.elem == Elem::kF32) return matrix_.f32()[i];
    const std::uint32_t bits = static_cast<const std::uint16_t*>(matrix_.data)[i];
    return std::bit_cast<float>(bits << 16);
  }
  void set(std::int64_t i, float value) {
    if (matrix_.elem == Elem::kF32) {
      matrix_.f32()[i] = value;
    } else {  // cut, not rounded: any bf16 will do
      static_cast<std::uint16_t*>(matrix_.data)[i] =
          static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
    }
  }
  Values values() const {
    Values out;
    for (std::int64_t i = 0; i < matrix_.rows * matrix_.cols; ++i) out.push_back((*this)[i]);
    return out;
  }

 private:
  Buffer buffer_;
  Matrix matrix_;
};

std::vector<float> random_floats(std::size_t count, Rng& rng) {
  std::vector<float> out(count);
  for (float& value : out) value = static_cast<float>(2 * rng.uniform() - 1);
  return out;
}

class KernelsTest : public testing::TestWithParam<Target> {
 protected:
  void SetUp() override {
    const CpuFeatures features = detect_cpu_features("");
    if ((GetParam().isa == Isa::kAvx512 && !features.avx512) ||
        (GetParam().isa == Isa::kAvx2 && !features.avx2)) {
      GTEST_SKIP() << "this CPU has no such instructions";
    }
  }
  const Kernels& kernels() const { return kernels_for(GetParam().isa, GetParam().elem); }
  Elem elem() const { return GetParam().elem; }
  // Of one rounding of a value of size 1.
  double tolerance() const { return elem() == Elem::kF32 ? 2e-6 : 5e-3; }
  void expect_near(double found, double expected, const std::string& where) const {
    EXPECT_NEAR(found, expected, tolerance() * (1 + std::abs(expected))) << where;
  }
  Rng rng_{7, RngStream::kSampling};
};

TEST_P(KernelsTest, RoundingIsToNearestEvenAndKeepsNan) {
  const std::vector<float> in{
      1.0F,  std::bit_cast<float>(0x3F808000U),       std::bit_cast<float>(0x3F818000U),
      -0.0F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
      1e-40F};
  Operand out(1, 7, elem());
  kernels().round_rows({0, 1}, 7, in.data(), 7, out.data(), 7);
  if (elem() == Elem::kBf16) {
    EXPECT_EQ(out[1], 1.0);       // half way: to even, down
    EXPECT_EQ(out[2], 1.015625);  // half way: to even, up
  } else {
    EXPECT_EQ(out[1], in[1]);
  }
  EXPECT_TRUE(std::signbit(out[3]));
  EXPECT_TRUE(std::isnan(out[4]));
  EXPECT_TRUE(std::isinf(out[5]));
}

TEST_P(KernelsTest, TransposedRoundingAndAdding) {
  constexpr std::int64_t kRows = 5;
  constexpr std::int64_t kCols = 19;
  const std::vector<float> in = random_floats(kRows * kCols, rng_);
  Operand out(kCols, kRows, elem());
  kernels().round_transposed({0, kRows}, kCols, in.data(), kCols, out.data(), kRows);
  std::vector<float> sum(in);
  kernels().add_rows({0, kCols}, kRows, out.data(), kRows, sum.data(), kRows);
  for (std::int64_t c = 0; c < kCols; ++c) {
    for (std::int64_t r = 0; r < kRows; ++r) {
      expect_near(out[c * kRows + r], in[r * kCols + c], "transposed");
      const std::int64_t i = c * kRows + r;
      expect_near(sum[i], in[i] + out[i], "sum");
    }
  }
}

TEST_P(KernelsTest, RmsNormForwardAndBackward) {
  constexpr std::int64_t kRows = 3;
  constexpr std::int64_t kCols = 83;
  constexpr double kEpsilon = 1e-5;
  const std::vector<float> x = random_floats(kRows * kCols, rng_);
  const std::vector<float> weight = random_floats(kCols, rng_);
  const Operand y(kRows, kCols, elem(), &rng_);
  Operand out(kRows, kCols, elem());
  std::vector<float> sum(x.size());
  std::vector<float> rstd(kRows);
  kernels().add_rms_norm({0, kRows}, kCols, x.data(), y.data(), kCols, sum.data(), weight.data(),
                         kEpsilon, out.data(), kCols, rstd.data());
  const Operand d_out(kRows, kCols, elem(), &rng_);
  std::vector<float> d_x(x.size(), 0.5F);
  kernels().rms_norm_backward({0, kRows}, kCols, sum.data(), nullptr, rstd.data(), weight.data(),
                              d_out.data(), kCols, d_x.data());
  for (std::int64_t r = 0; r < kRows; ++r) {
    Values row;
    for (std::int64_t c = 0; c < kCols; ++c) row.push_back(x[r * kCols + c] + y[r * kCols + c]);
    const double s = reference::rstd(row.data(), kCols, kEpsilon);
    double dot = 0;
    for (std::int64_t c = 0; c < kCols; ++c) dot += d_out[r * kCols + c] * weight[c] * row[c];
    for (std::int64_t c = 0; c < kCols; ++c) {
      const std::int64_t i = r * kCols + c;
      expect_near(out[i], row[c] * s * weight[c], "norm");
      const double d = s * weight[c] * d_out[i] - row[c] * dot * s * s * s / kCols;
      EXPECT_NEAR(d_x[i], 0.5 + d, 1e-5);
    }
  }
}

TEST_P(KernelsTest, RmsNormOfChosenRows) {
  const std::vector<float> x = random_floats(4 * 16, rng_);
  const std::vector<float> weight(16, 1.0F);
  const std::vector<std::int32_t> index{3, 1};
  Operand out(2, 16, elem());
  std::vector<float> rstd(2);
  kernels().rms_norm({0, 2}, 16, x.data(), index.data(), weight.data(), 0, out.data(), 16,
                     rstd.data());
  expect_near(out[0], x[3 * 16] * rstd[0], "first");
  expect_near(out[16], x[16] * rstd[1], "second");
}

TEST_P(KernelsTest, RotationTurnsHalvesAndBack) {
  constexpr std::int64_t kDim = 24;
  const Operand before(2, 3 * kDim, elem(), &rng_);
  Operand x = Operand(2, 3 * kDim, elem());
  for (std::int64_t i = 0; i < 2 * 3 * kDim; ++i) x.set(i, static_cast<float>(before[i]));
  std::vector<float> cosine;
  std::vector<float> sine;
  for (int i = 0; i < 8 * kDim / 2; ++i) {
    cosine.push_back(std::cos(0.1F * static_cast<float>(i)));
    sine.push_back(std::sin(0.1F * static_cast<float>(i)));
  }
  const std::vector<std::int32_t> positions{7, 2};
  kernels().rotate({0, 2}, 2, kDim, x.data(), 3 * kDim, positions.data(), cosine.data(),
                   sine.data(), false);
  for (std::int64_t r = 0; r < 2; ++r) {
    for (std::int64_t i = 0; i < kDim / 2; ++i) {
      const std::int64_t low = r * 3 * kDim + kDim + i;  // second head
      const double c = cosine[positions[r] * kDim / 2 + i];
      const double s = sine[positions[r] * kDim / 2 + i];
      expect_near(x[low], before[low] * c - before[low + kDim / 2] * s, "low");
      expect_near(x[low + kDim / 2], before[low + kDim / 2] * c + before[low] * s, "high");
      EXPECT_EQ(x[low + kDim], before[low + kDim]) << "the third head is not rotated";
    }
  }
  kernels().rotate({0, 2}, 2, kDim, x.data(), 3 * kDim, positions.data(), cosine.data(),
                   sine.data(), true);
  for (std::int64_t i = 0; i < 2 * 3 * kDim; ++i) {
    EXPECT_NEAR(x[i], before[i], 4 * tolerance());
  }
}

TEST_P(KernelsTest, SwigluForwardAndBackward) {
  constexpr std::int64_t kCols = 37;
  const Operand gate_up(2, 2 * kCols, elem(), &rng_, 20);
  const Operand d_out(2, kCols, elem(), &rng_);
  Operand out(2, kCols, elem());
  Operand d_gate_up(2, 2 * kCols, elem());
  kernels().swiglu({0, 2}, kCols, gate_up.data(), 2 * kCols, out.data(), kCols);
  kernels().swiglu_backward({0, 2}, kCols, gate_up.data(), 2 * kCols, d_out.data(), kCols,
                            d_gate_up.data(), 2 * kCols);
  for (std::int64_t r = 0; r < 2; ++r) {
    for (std::int64_t c = 0; c < kCols; ++c) {
      const double g = gate_up[r * 2 * kCols + c];
      const double u = gate_up[r * 2 * kCols + kCols + c];
      const double d = d_out[r * kCols + c];
      const double s = reference::sigmoid(g);
      expect_near(out[r * kCols + c], g * s * u, "out");
      expect_near(d_gate_up[r * 2 * kCols + c], d * u * (s + g * s * (1 - s)), "gate");
      expect_near(d_gate_up[r * 2 * kCols + kCols + c], d * g * s, "up");
    }
  }
}

TEST_P(KernelsTest, CrossEntropyAndItsGradient) {
  constexpr std::int64_t kVocab = 1003;
  Operand logits(2, kVocab, elem(), &rng_, 30);
  const Values before = logits.values();
  const std::vector<std::int32_t> targets{17, 1002};
  std::vector<float> losses(2);
  kernels().cross_entropy({0, 2}, kVocab, logits.data(), targets.data(), 0, losses.data());
  EXPECT_EQ(logits.values(), before) << "without a gradient the logits stay";
  kernels().cross_entropy({0, 2}, kVocab, logits.data(), targets.data(), 0.25F, losses.data());
  for (std::int64_t r = 0; r < 2; ++r) {
    const Values p =
        reference::softmax(Values(before.begin() + r * kVocab, before.begin() + (r + 1) * kVocab));
    EXPECT_NEAR(losses[r], -std::log(p[targets[r]]), 1e-4);
    for (std::int64_t c = 0; c < kVocab; ++c) {
      expect_near(logits[r * kVocab + c], (p[c] - (c == targets[r] ? 1 : 0)) * 0.25, "gradient");
    }
  }
}

TEST_P(KernelsTest, NanInTheLogitsIsNanInTheLoss) {
  Operand logits(1, 64, elem(), &rng_);
  logits.set(5, std::bit_cast<float>(0x7FC00000U));
  const std::int32_t target = 3;
  float loss = 0;
  kernels().cross_entropy({0, 1}, 64, logits.data(), &target, 1, &loss);
  EXPECT_TRUE(std::isnan(loss));
}

Values columns(const Operand& all, std::int64_t begin, std::int64_t length, std::int64_t column,
               std::int64_t dim) {
  Values out;
  for (std::int64_t r = begin; r < begin + length; ++r) {
    for (std::int64_t c = 0; c < dim; ++c) out.push_back(all[r * all.stride() + column + c]);
  }
  return out;
}

// Two documents, four query heads on two key heads, a head size that fills no vector.
TEST_P(KernelsTest, AttentionForwardAndBackward) {
  constexpr std::int64_t kHeads = 4;
  constexpr std::int64_t kKvHeads = 2;
  constexpr std::int64_t kDim = 20;
  constexpr std::int64_t kTokens = 3 + 115;
  const AttentionShape shape{kHeads, kKvHeads, kDim, 0.3F};
  const std::int64_t width = (kHeads + 2 * kKvHeads) * kDim;
  const Operand qkv(kTokens, width, elem(), &rng_, 2);
  const Operand d_out(kTokens, kHeads * kDim, elem(), &rng_);
  const Operand out(kTokens, kHeads * kDim, elem());
  const Operand d_qkv(kTokens, width, elem());
  std::vector<float> log_sum_exp(kHeads * kTokens);
  std::vector<float> d_k(kHeads * kTokens * kDim);
  std::vector<float> d_v(kHeads * kTokens * kDim);
  std::vector<float> scratch(kernels().attention_scratch(115, kDim), 1e30F);
  const AttentionForward forward{shape,         qkv.data(),         width,  out.data(),
                                 kHeads * kDim, log_sum_exp.data(), kTokens};
  const AttentionBackward backward{shape,         qkv.data(),   width,         out.data(),
                                   kHeads * kDim, d_out.data(), kHeads * kDim, log_sum_exp.data(),
                                   kTokens,       d_qkv.data(), width,         d_k.data(),
                                   d_v.data()};
  for (const auto& [begin, length] : {std::pair{0, 3}, std::pair{3, 115}}) {
    for (std::int64_t head = 0; head < kHeads; ++head) {
      kernels().attention(forward, {head, begin, length}, scratch.data());
      kernels().attention_backward(backward, {head, begin, length}, scratch.data());
    }
  }
  kernels().attention_sum_kv(backward, {0, kTokens});

  for (const auto& [begin, length] : {std::pair{0, 3}, std::pair{3, 115}}) {
    const auto size = static_cast<std::size_t>(length * kDim);
    for (std::int64_t kv = 0; kv < kKvHeads; ++kv) {
      const Values k = columns(qkv, begin, length, (kHeads + kv) * kDim, kDim);
      const Values v = columns(qkv, begin, length, (kHeads + kKvHeads + kv) * kDim, kDim);
      Values dk(size);
      Values dv(size);
      for (std::int64_t head = kv * 2; head < kv * 2 + 2; ++head) {
        const Values q = columns(qkv, begin, length, head * kDim, kDim);
        Values expected;
        reference::attention(length, kDim, q, k, v, shape.scale, expected);
        Values dq(size);
        reference::attention_backward(length, kDim, q, k, v, shape.scale,
                                      columns(d_out, begin, length, head * kDim, kDim), dq, dk, dv);
        const Values found = columns(out, begin, length, head * kDim, kDim);
        const Values found_dq = columns(d_qkv, begin, length, head * kDim, kDim);
        for (std::size_t i = 0; i < size; ++i) {
          ASSERT_NEAR(found[i], expected[i], 10 * tolerance()) << "out " << i;
          ASSERT_NEAR(found_dq[i], dq[i], 20 * tolerance()) << "dq " << i;
        }
      }
      const Values found_dk = columns(d_qkv, begin, length, (kHeads + kv) * kDim, kDim);
      const Values found_dv = columns(d_qkv, begin, length, (kHeads + kKvHeads + kv) * kDim, kDim);
      for (std::size_t i = 0; i < size; ++i) {
        ASSERT_NEAR(found_dk[i], dk[i], 20 * tolerance() * (1 + std::abs(dk[i]))) << "dk " << i;
        ASSERT_NEAR(found_dv[i], dv[i], 20 * tolerance() * (1 + std::abs(dv[i]))) << "dv " << i;
      }
    }
  }
}

TEST_P(KernelsTest, DecodingIsAttentionsLastRow) {
  constexpr std::int64_t kDim = 20;
  constexpr std::int64_t kLength = 29;
  constexpr std::int64_t kCapacity = 40;
  const Operand q(1, 3 * kDim, elem(), &rng_, 2);  // one head
  const Operand k(kCapacity, kDim, elem(), &rng_, 2);
  const Operand v(kCapacity, kDim, elem(), &rng_, 2);
  const Operand out(1, kDim, elem());
  const void* keys = k.data();
  const void* values = v.data();
  const std::int64_t capacity = kCapacity;
  const std::int64_t length = kLength;
  const AttentionDecode args{
      {1, 1, kDim, 0.3F}, q.data(), 3 * kDim, out.data(), kDim, &keys, &values, &capacity, &length};
  std::vector<float> scratch(kLength + kDim);
  kernels().attention_decode(args, 0, 0, scratch.data());
  Values scores;
  for (std::int64_t t = 0; t < kLength; ++t) {
    double dot = 0;
    for (std::int64_t c = 0; c < kDim; ++c) dot += q[c] * k[t * kDim + c];
    scores.push_back(dot * 0.3F);
  }
  const Values p = reference::softmax(scores);
  for (std::int64_t c = 0; c < kDim; ++c) {
    double expected = 0;
    for (std::int64_t t = 0; t < kLength; ++t) expected += p[t] * v[t * kDim + c];
    EXPECT_NEAR(out[c], expected, 5 * tolerance());
  }
}

TEST_P(KernelsTest, DropoutDropsTheShareAndItsGradientTheSameElements) {
  constexpr std::int64_t kRows = 40;
  constexpr std::int64_t kCols = 500;
  Operand ones(kRows, kCols, elem());
  for (std::int64_t i = 0; i < kRows * kCols; ++i) ones.set(i, 1);
  Operand out(kRows, kCols, elem());
  Operand gradient(kRows, kCols, elem());
  const Dropout dropout{11, 0.25F};
  kernels().dropout({0, kRows}, kCols, dropout, ones.data(), kCols, out.data(), kCols);
  kernels().dropout_backward({0, kRows}, kCols, dropout, ones.data(), kCols, gradient.data(),
                             kCols);
  int kept = 0;
  for (std::int64_t i = 0; i < kRows * kCols; ++i) {
    EXPECT_EQ(out[i], gradient[i]);
    kept += out[i] != 0 ? 1 : 0;
    if (out[i] != 0) expect_near(out[i], 1 / 0.75, "scaled");
  }
  EXPECT_NEAR(kept, 0.75 * kRows * kCols, 5 * std::sqrt(0.75 * 0.25 * kRows * kCols));
}

TEST_P(KernelsTest, AdamWIsTorchs) {
  constexpr std::int64_t kSize = 37;
  const std::vector<float> grads = random_floats(kSize, rng_);
  std::vector<float> params = random_floats(kSize, rng_);
  std::vector<float> m = random_floats(kSize, rng_);
  std::vector<float> v(kSize, 0.01F);
  const std::vector<float> before = params;
  const std::vector<float> m_before = m;
  const AdamWStep step{.learning_rate = 1e-2F,
                       .one_minus_beta1 = 0.1F,
                       .beta2 = 0.999F,
                       .one_minus_beta2 = 0.001F,
                       .epsilon = 1e-8F,
                       .weight_decay = 0.1F,
                       .bias_correction1 = 0.19F,
                       .bias_correction2 = 0.002F,
                       .grad_scale = 0.5F};
  kernels().adamw({0, kSize}, step, grads.data(), params.data(), m.data(), v.data());
  for (std::int64_t i = 0; i < kSize; ++i) {
    const double g = 0.5 * grads[i];
    const double m1 = 0.9 * m_before[i] + 0.1 * g;
    const double v1 = 0.999 * 0.01 + 0.001 * g * g;
    const double expected =
        before[i] * (1 - 1e-2 * 0.1) - 1e-2 / 0.19 * m1 / (std::sqrt(v1) / std::sqrt(0.002) + 1e-8);
    EXPECT_NEAR(params[i], expected, 1e-5);
    EXPECT_NEAR(m[i], m1, 1e-6);
    EXPECT_NEAR(v[i], v1, 1e-7);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, KernelsTest,
    testing::Values(Target{Isa::kGeneric, Elem::kF32}, Target{Isa::kGeneric, Elem::kBf16},
                    Target{Isa::kAvx2, Elem::kF32}, Target{Isa::kAvx2, Elem::kBf16},
                    Target{Isa::kAvx512, Elem::kF32}, Target{Isa::kAvx512, Elem::kBf16}),
    [](const auto& info) {
      const char* isa = info.param.isa == Isa::kGeneric ? "Generic"
                        : info.param.isa == Isa::kAvx2  ? "Avx2"
                                                        : "Avx512";
      return std::string(isa) + (info.param.elem == Elem::kF32 ? "Fp32" : "Bf16");
    });

TEST(ComputeChoice, FollowsTheCpuAlone) {
  const CpuFeatures intel_amx{true, true, true, true, false};
  const CpuFeatures intel_bf16{true, true, true, false, false};
  const CpuFeatures amd_bf16{true, true, true, false, true};
  EXPECT_EQ(choose_compute(Compute::kAuto, intel_amx), Elem::kBf16);
  EXPECT_EQ(choose_compute(Compute::kAuto, intel_bf16), Elem::kF32);
  EXPECT_EQ(choose_compute(Compute::kAuto, amd_bf16), Elem::kBf16);
  EXPECT_EQ(choose_compute(Compute::kFp32, intel_amx), Elem::kF32);
  EXPECT_EQ(choose_compute(Compute::kBf16, intel_bf16), Elem::kBf16);
}

TEST(ComputeChoice, IsHeldDownByOneDnnsVariable) {
  const CpuFeatures held = detect_cpu_features("AVX2");
  EXPECT_FALSE(held.avx512 || held.avx512_bf16 || held.amx_bf16);
  EXPECT_FALSE(detect_cpu_features("AVX512_CORE").avx512_bf16);
  EXPECT_FALSE(detect_cpu_features("SSE41").avx2);
}

}  // namespace
}  // namespace tunesmith::engine
