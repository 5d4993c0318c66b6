#include "planner/memory_estimate.h"

#include <gtest/gtest.h>

#include "planner/smollm2_shape.h"
#include "workspace/training_config.h"

namespace tunesmith::planner {
namespace {

MemoryQuestion smollm2(events::v1::TuningMethod method) {
  return {.shape = kSmolLm2,
          .method = method,
          .hyper_parameters = workspace::default_hyper_parameters(method)};
}

TEST(MemoryEstimate, CountsWhatTheFormulaSays) {
  auto question = smollm2(events::v1::TUNING_METHOD_QLORA);
  question.example_tokens = 100;
  const auto estimate = estimate_memory(question);
  const std::uint64_t linear = 30 * (2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536ull);
  const std::uint64_t outside = (49152 * 576 + 61 * 576) * 4ull;
  EXPECT_NEAR(static_cast<double>(estimate.weights),
              static_cast<double>(outside) + 0.5159 * static_cast<double>(linear) +
                  4.0 * static_cast<double>(linear) / 30,
              2.0);
  // q, k, v, o, gate, up, down: in + out each, rank 8
  EXPECT_EQ(estimate.adapter,
            16u * 30 * 8 * (2 * (576 + 576) + 2 * (576 + 192) + 3 * (576 + 1536)));
  EXPECT_EQ(estimate.activations, 100u * 30 * (5 * 576 + 2 * 192 + 3 * 1536) * 4);
  EXPECT_EQ(estimate.logits, 2u * 256 * 49152 * 4);
}

TEST(MemoryEstimate, ShrinksWhereItShould) {
  const auto base = smollm2(events::v1::TUNING_METHOD_QLORA);
  const auto total = estimate_memory(base).total();
  EXPECT_GT(estimate_memory(smollm2(events::v1::TUNING_METHOD_LORA)).total(), total);
  auto checkpointing = base;
  checkpointing.hyper_parameters.set_gradient_checkpointing(true);
  EXPECT_LT(estimate_memory(checkpointing).total(), total / 2);
  auto short_examples = base;
  short_examples.example_tokens = 100;
  EXPECT_LT(estimate_memory(short_examples).total(), total);
  short_examples.hyper_parameters.set_packing(true);  // packing fills up to max_seq_length
  EXPECT_EQ(estimate_memory(short_examples).total(), total);
  auto few_modules = base;
  few_modules.hyper_parameters.add_target_modules("q_proj");
  EXPECT_LT(estimate_memory(few_modules).adapter, estimate_memory(base).adapter);
}

TEST(MemoryEstimate, LargestBatchIsTheLargestThatFits) {
  auto question = smollm2(events::v1::TUNING_METHOD_QLORA);
  question.hyper_parameters.set_per_device_train_batch_size(32);
  const std::uint64_t memory = 8ull << 30;
  const std::uint32_t batch = largest_batch(question, memory);
  ASSERT_GT(batch, 0u);
  ASSERT_LT(batch, 32u);
  question.hyper_parameters.set_per_device_train_batch_size(batch);
  EXPECT_LE(estimate_memory(question).total(), memory);
  question.hyper_parameters.set_per_device_train_batch_size(batch + 1);
  EXPECT_GT(estimate_memory(question).total(), memory);
  EXPECT_EQ(largest_batch(question, 1 << 20), 0u);
}

}  // namespace
}  // namespace tunesmith::planner
