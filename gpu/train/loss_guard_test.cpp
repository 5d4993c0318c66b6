#include "train/loss_guard.h"

#include <gtest/gtest.h>

#include <limits>

namespace tunesmith::engine {
namespace {

constexpr std::int64_t kVocab = 1000;  // guessing: 6.9
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(LossGuard, WhatIsNoNumberEndsTheRunAtOnce) {
  std::uint64_t high = 0;
  EXPECT_EQ(check_loss(3, kNan, 1, kVocab, high).error().reason, "LossNotFinite");
  EXPECT_EQ(check_loss(3, 1, kInfinity, kVocab, high).error().reason, "LossNotFinite");
  EXPECT_NE(check_loss(3, 1, kNan, kVocab, high).error().message.find("step 3"), std::string::npos);
  EXPECT_TRUE(check_loss(3, 1, 1e6, kVocab, high));
}

TEST(LossGuard, FiveHighLossesInARowEndTheRun) {
  std::uint64_t high = 0;
  for (std::uint64_t step = 1; step <= 4; ++step)
    EXPECT_TRUE(check_loss(step, 14, 1, kVocab, high));
  EXPECT_TRUE(check_loss(5, 13, 1, kVocab, high)) << "it came down: the count starts again";
  for (std::uint64_t step = 6; step <= 9; ++step)
    EXPECT_TRUE(check_loss(step, 14, 1, kVocab, high));
  const auto exploded = check_loss(10, 14, 1, kVocab, high);
  ASSERT_FALSE(exploded);
  EXPECT_EQ(exploded.error().reason, "LossExploded");
  EXPECT_NE(exploded.error().message.find("step 10"), std::string::npos);
}

}  // namespace
}  // namespace tunesmith::engine
