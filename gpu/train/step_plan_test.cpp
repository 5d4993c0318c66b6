#include "train/step_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace tunesmith::engine {
namespace {

// Examples told apart by their first token.
std::vector<Example> examples(std::size_t count, std::size_t length) {
  std::vector<Example> out;
  for (std::size_t i = 0; i < count; ++i) {
    Example example;
    example.tokens.assign(length, static_cast<std::int32_t>(i));
    example.is_target.assign(length, 1);
    example.is_target[0] = 0;
    out.push_back(std::move(example));
  }
  return out;
}

HyperParameters hyper_parameters() {
  HyperParameters hyper;
  hyper.per_device_train_batch_size = 2;
  hyper.gradient_accumulation_steps = 3;
  hyper.max_seq_length = 10;
  return hyper;
}

std::multiset<std::int32_t> seen_in(StepPlan& plan, std::uint64_t step) {
  std::multiset<std::int32_t> seen;
  for (const auto& pass : plan.passes(step)) {
    for (const PackedSequence* sequence : pass) seen.insert(sequence->tokens[0]);
  }
  return seen;
}

TEST(StepPlan, EveryEpochSeesEveryExampleOnceInAnotherOrder) {
  const auto data = examples(13, 10);
  HyperParameters hyper = hyper_parameters();
  hyper.num_train_epochs = 2;
  StepPlan plan(data, hyper);
  EXPECT_EQ(plan.steps_per_epoch(), 3U);  // 7 micro-batches of 2, three at a time
  EXPECT_EQ(plan.total_steps(), 6U);
  for (const std::uint64_t epoch : {0, 1}) {
    std::multiset<std::int32_t> seen;
    for (std::uint64_t step = 3 * epoch; step < 3 * epoch + 3; ++step) {
      seen.merge(seen_in(plan, step));
    }
    EXPECT_EQ(seen.size(), 13U);
    EXPECT_EQ(std::set<std::int32_t>(seen.begin(), seen.end()).size(), 13U);
  }
  EXPECT_NE(seen_in(plan, 0), seen_in(plan, 3));
  EXPECT_DOUBLE_EQ(plan.epoch_of(4), 4.0 / 3);
}

TEST(StepPlan, IsAFunctionOfTheStep) {
  const auto data = examples(13, 10);
  StepPlan forward(data, hyper_parameters());
  StepPlan jumping(data, hyper_parameters());
  std::map<std::uint64_t, std::multiset<std::int32_t>> seen;
  for (std::uint64_t step = 0; step < 9; ++step) seen[step] = seen_in(forward, step);
  for (const std::uint64_t step : {8, 2, 5, 0, 7}) EXPECT_EQ(seen_in(jumping, step), seen[step]);
}

TEST(StepPlan, WithoutShufflingKeepsTheOrder) {
  HyperParameters hyper = hyper_parameters();
  hyper.shuffle_dataset = false;
  StepPlan plan(examples(13, 10), hyper);
  EXPECT_EQ(seen_in(plan, 1), (std::multiset<std::int32_t>{6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(seen_in(plan, 2), (std::multiset<std::int32_t>{12}));
}

TEST(StepPlan, CountsSteps) {
  HyperParameters hyper = hyper_parameters();
  hyper.num_train_epochs = 1.5;
  EXPECT_EQ(StepPlan(examples(13, 10), hyper).total_steps(), 5U);
  hyper.max_steps = 100;
  EXPECT_EQ(StepPlan(examples(13, 10), hyper).total_steps(), 100U);
  hyper.max_steps = 0;
  hyper.packing = true;
  EXPECT_EQ(StepPlan(examples(13, 5), hyper).steps_per_epoch(), 2U);  // 7 sequences of two
}

TEST(StepPlan, PassesAreAsLongAsTheSettingsAllow) {
  HyperParameters hyper = hyper_parameters();  // 2 * 10 tokens at most
  StepPlan short_ones(examples(6, 4), hyper);
  EXPECT_EQ(short_ones.passes(0).size(), 2U);  // five of 4 tokens, then one
  StepPlan long_ones(examples(6, 10), hyper);
  EXPECT_EQ(long_ones.passes(0).size(), 3U);
}

TEST(StepPlan, DigestKnowsTokensMasksAndBounds) {
  const HyperParameters hyper = hyper_parameters();
  auto data = examples(3, 6);
  const std::uint64_t before = StepPlan(data, hyper).digest();
  EXPECT_EQ(StepPlan(data, hyper).digest(), before);
  data[1].is_target[3] = 0;
  EXPECT_NE(StepPlan(data, hyper).digest(), before);
  data[1].is_target[3] = 1;
  data[1].tokens[3] = 77;
  EXPECT_NE(StepPlan(data, hyper).digest(), before);
}

}  // namespace
}  // namespace tunesmith::engine
