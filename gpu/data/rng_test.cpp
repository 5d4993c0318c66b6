// The numbers are a part of every adapter's identity: these values may never change.
#include "data/rng.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace tunesmith::engine {
namespace {

using testing::ElementsAre;

TEST(Rng, IsXoshiro256StarStar) {
  Rng rng(0, RngStream::kSplit);
  rng.set_state({1, 2, 3, 4});
  // first outputs of the authors' reference code from this state
  EXPECT_EQ(rng.next(), 11520U);
  EXPECT_EQ(rng.next(), 0U);
  EXPECT_EQ(rng.next(), 1509978240U);
  EXPECT_EQ(rng.next(), 1215971899390074240U);
}

// Values by an independent implementation in Python of what rng.h says.
TEST(Rng, EpochOrdersNeverChange) {
  EXPECT_THAT(epoch_order(10, 42, 0), ElementsAre(9, 2, 1, 7, 6, 5, 0, 8, 3, 4));
  EXPECT_THAT(epoch_order(10, 42, 1), ElementsAre(0, 8, 7, 6, 2, 5, 9, 4, 1, 3));
  EXPECT_THAT(epoch_order(10, 43, 0), ElementsAre(1, 3, 9, 8, 2, 6, 7, 0, 4, 5));
  EXPECT_THAT(epoch_order(0, 42, 0), ElementsAre());
  EXPECT_THAT(epoch_order(1, 42, 0), ElementsAre(0));
}

TEST(Rng, StreamsAndIndicesDiffer) {
  EXPECT_NE(Rng(42, RngStream::kSplit).next(), Rng(42, RngStream::kEpoch).next());
  EXPECT_NE(Rng(42, RngStream::kEpoch, 0).next(), Rng(42, RngStream::kEpoch, 1).next());
  EXPECT_NE(Rng(42, RngStream::kEpoch).next(), Rng(43, RngStream::kEpoch).next());
}

TEST(Rng, ContinuesFromASavedState) {
  Rng rng(7, RngStream::kDropout);
  rng.next();
  Rng other(0, RngStream::kSplit);
  other.set_state(rng.state());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(rng.next(), other.next());
}

TEST(Rng, BelowIsUniform) {
  Rng rng(1, RngStream::kSampling);
  std::vector<int> counts(7, 0);
  for (int i = 0; i < 70000; ++i) ++counts[rng.below(7)];
  // 10,000 expected, standard deviation 93
  for (const int count : counts) EXPECT_NEAR(count, 10000, 600);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(rng.below(1), 0U);
}

TEST(Rng, UniformIsInTheHalfOpenInterval) {
  Rng rng(1, RngStream::kSampling);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double x = rng.uniform();
    ASSERT_GE(x, 0.0);
    ASSERT_LT(x, 1.0);
    sum += x;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(Rng, AShuffleIsAPermutation) {
  auto order = epoch_order(1000, 3, 5);
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], i);
}

}  // namespace
}  // namespace tunesmith::engine
