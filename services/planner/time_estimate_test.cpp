#include "planner/time_estimate.h"

#include <gtest/gtest.h>

#include "planner/smollm2_shape.h"

namespace tunesmith::planner {
namespace {

constexpr const char* kZen5 =
    "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2 avx512f avx512_bf16\n\n"
    "processor\t: 1\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu\n";

events::v1::HyperParameters hyper_parameters() {
  events::v1::HyperParameters hyper;
  hyper.set_lora_rank(16);
  hyper.set_num_train_epochs(1);
  hyper.set_per_device_train_batch_size(1);
  hyper.set_gradient_accumulation_steps(1);
  hyper.set_max_seq_length(512);
  hyper.set_train_test_split(1);
  return hyper;
}

events::v1::TrainingData data(std::uint64_t rows, const char* layout = "text") {
  events::v1::TrainingData data;
  data.set_rows(rows);
  data.set_layout(layout);
  return data;
}

TEST(TimeEstimate, IsWithinAFactorOfTwoOfTheDemo) {
  // `make demo` as the README shows it: AMD EPYC, 2 cores, 1600 rows of 60 563 estimated tokens,
  // 191 steps of 512 packed tokens, 76 s of training and evaluating.
  auto hyper = hyper_parameters();
  hyper.set_packing(true);
  hyper.set_train_test_split(0.95);
  const auto rows = data(1'600, "messages");
  const TimeQuestion question{kSmolLm2, rows, hyper, 60'563};
  const std::uint64_t estimated = estimate_seconds(question, cpu_speed(kZen5, 2));
  EXPECT_GE(estimated, 76u / 2);
  EXPECT_LE(estimated, 76u * 2);
  EXPECT_NEAR(static_cast<double>(training_size(question).steps), 191, 40);
}

TEST(TimeEstimate, IsWithinAFactorOfTwoOfTheBenchmark) {
  // docs/benchmarks/engine-cpu.md: rank 16, 4 x 512 tokens, tokens per second.
  const double flops = training_flops_per_token(kSmolLm2, hyper_parameters(), 512);
  const double bf16 = cpu_speed(kZen5, 2).flops_per_second / flops;
  EXPECT_GE(bf16, 1'026 / 2.0);
  EXPECT_LE(bf16, 1'026 * 2.0);
  const double fp32 =
      cpu_speed("vendor_id : GenuineIntel\nflags : avx512f avx512_bf16\n", 2).flops_per_second /
      flops;
  EXPECT_GE(fp32, 579 / 2.0);
  EXPECT_LE(fp32, 579 * 2.0);
}

TEST(TimeEstimate, CountsTwoPerParameterForwardAndTwoBackwardWhereItIsFrozen) {
  const ModelShape one{.architecture = "llama",
                       .vocab = 10,
                       .hidden = 2,
                       .intermediate = 3,
                       .layers = 1,
                       .heads = 1,
                       .kv_heads = 1,
                       .head_dim = 2};
  auto hyper = hyper_parameters();
  hyper.set_lora_rank(0);
  const double frozen = 4 * (2 * 2) + 3 * (2 * 3) + 10 * 2;  // q, k, v, o; gate, up, down; head
  EXPECT_DOUBLE_EQ(forward_flops_per_token(one, hyper, 0), 2 * frozen);
  EXPECT_DOUBLE_EQ(training_flops_per_token(one, hyper, 0), 4 * frozen);
  hyper.set_gradient_checkpointing(true);
  EXPECT_DOUBLE_EQ(training_flops_per_token(one, hyper, 0), 6 * frozen);
  // Attention over 8 positions, half of them seen: 4 · 1 · 2 · 4 forward, twice that backward.
  EXPECT_DOUBLE_EQ(training_flops_per_token(one, hyper, 8), 6 * frozen + (1 + 2 + 1) * 32.0);
  hyper.set_lora_rank(1);
  EXPECT_DOUBLE_EQ(forward_flops_per_token(one, hyper, 0), 2 * (frozen + 4 * 4 + 3 * 5));
}

TEST(TimeEstimate, StepsBatchesAndTheCutDecideTheTokens) {
  auto hyper = hyper_parameters();
  const auto rows = data(100);
  const TimeQuestion question{kSmolLm2, rows, hyper, 100 * 49};  // and one at the end of each
  EXPECT_EQ(training_size(question).tokens, 5'000u);
  EXPECT_EQ(training_size(question).steps, 100u);
  hyper.set_per_device_train_batch_size(4);
  hyper.set_gradient_accumulation_steps(5);
  EXPECT_EQ(training_size(question).steps, 5u);
  hyper.set_num_train_epochs(3);
  EXPECT_EQ(training_size(question).tokens, 15'000u);
  hyper.set_max_steps(2);
  EXPECT_EQ(training_size(question).tokens, 2'000u);
  hyper.set_max_steps(0);
  hyper.set_max_seq_length(10);
  EXPECT_EQ(training_size(question).tokens, 3'000u);
  EXPECT_EQ(training_size(question).eval_tokens, 0u);
  hyper.set_train_test_split(0.5);
  EXPECT_EQ(training_size(question).tokens, 1'500u);
  EXPECT_EQ(training_size(question).eval_tokens, 1'000u);
}

TEST(TimeEstimate, TwiceTheCoresTakeHalfTheTime) {
  const auto hyper = hyper_parameters();
  const auto rows = data(100'000);
  const TimeQuestion question{kSmolLm2, rows, hyper, 10'000'000};
  const auto one = static_cast<double>(estimate_seconds(question, cpu_speed(kZen5, 1)));
  const auto two = static_cast<double>(estimate_seconds(question, cpu_speed(kZen5, 2)));
  EXPECT_NEAR(one / two, 2, 0.01);
}

TEST(TimeEstimate, WhatIsUnknownIsZero) {
  const auto hyper = hyper_parameters();
  const auto none = data(0);
  const auto some = data(10);
  EXPECT_EQ(estimate_seconds({kSmolLm2, none, hyper, 100}, cpu_speed(kZen5, 2)), 0u);
  EXPECT_EQ(estimate_seconds({kSmolLm2, some, hyper, 0}, cpu_speed(kZen5, 2)), 0u);
  EXPECT_EQ(estimate_seconds({kSmolLm2, some, hyper, 100}, {}), 0u);
}

TEST(CpuSpeed, FollowsWhatTheEngineMultipliesIn) {
  EXPECT_EQ(cpu_speed(kZen5, 2).name, "2 cores of the CPU, bf16 in AVX-512");
  EXPECT_EQ(cpu_speed("vendor_id : GenuineIntel\nflags : avx2 avx512f avx512_bf16\n", 1).name,
            "1 core of the CPU, fp32 in AVX-512");
  EXPECT_EQ(cpu_speed("vendor_id : GenuineIntel\nflags : avx512f amx_bf16 amx_tile\n", 1).name,
            "1 core of the CPU, bf16 in AMX");
  EXPECT_EQ(cpu_speed("flags : avx2\n", 1).name, "1 core of the CPU, fp32 in AVX2");
  EXPECT_EQ(cpu_speed("", 1).name, "1 core of the CPU, fp32");
}

}  // namespace
}  // namespace tunesmith::planner
