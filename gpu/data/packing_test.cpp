#include "data/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "data/rng.h"

namespace tunesmith::engine {
namespace {

using testing::ElementsAre;

// Tokens are all `value`; the last one is a target.
Example example(std::size_t size, std::int32_t value) {
  Example example{.tokens = std::vector<std::int32_t>(size, value),
                  .is_target = std::vector<std::uint8_t>(size, 0)};
  example.is_target.back() = 1;
  return example;
}

TEST(Packing, FillsTheBestFittingSequence) {
  const std::vector<Example> examples{example(6, 0), example(3, 1), example(8, 2), example(2, 3),
                                      example(4, 4)};
  const auto sequences = pack_best_fit(examples, 10);
  ASSERT_EQ(sequences.size(), 3U);
  EXPECT_THAT(sequences[0].tokens, ElementsAre(2, 2, 2, 2, 2, 2, 2, 2, 3, 3));
  EXPECT_THAT(sequences[0].document_starts, ElementsAre(0, 8));
  EXPECT_THAT(sequences[0].is_target, ElementsAre(0, 0, 0, 0, 0, 0, 0, 1, 0, 1));
  EXPECT_THAT(sequences[1].document_starts, ElementsAre(0, 6));
  EXPECT_THAT(sequences[1].tokens, ElementsAre(0, 0, 0, 0, 0, 0, 4, 4, 4, 4));
  EXPECT_THAT(sequences[2].tokens, ElementsAre(1, 1, 1));
}

TEST(Packing, LosesNothingAndNeverOverfills) {
  Rng rng(11, RngStream::kSampling);
  std::vector<Example> examples;
  std::size_t total = 0;
  for (int i = 0; i < 500; ++i) {
    examples.push_back(example(2 + rng.below(127), i));
    total += examples.back().tokens.size();
  }
  const auto sequences = pack_best_fit(examples, 128);
  std::map<std::int32_t, std::size_t> seen;
  for (const auto& sequence : sequences) {
    EXPECT_LE(sequence.tokens.size(), 128U);
    EXPECT_EQ(sequence.tokens.size(), sequence.is_target.size());
    ASSERT_FALSE(sequence.document_starts.empty());
    EXPECT_EQ(sequence.document_starts[0], 0);
    EXPECT_TRUE(std::is_sorted(sequence.document_starts.begin(), sequence.document_starts.end()));
    for (const std::int32_t start : sequence.document_starts) {
      EXPECT_EQ(sequence.is_target[static_cast<std::size_t>(start)], 0);
    }
    for (const std::int32_t token : sequence.tokens) ++seen[token];
  }
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(seen[i], examples[static_cast<std::size_t>(i)].tokens.size());
  }
  // best-fit decreasing is within 11/9 of the optimum, which is at least total / 128
  EXPECT_LE(sequences.size(), total / 128 * 11 / 9 + 1);
}

TEST(Packing, AnExampleThatIsTooLongStandsAlone) {
  const std::vector<Example> examples{example(2, 0), example(12, 1)};
  const auto sequences = pack_best_fit(examples, 10);
  ASSERT_EQ(sequences.size(), 2U);
  EXPECT_EQ(sequences[0].tokens.size(), 12U);
  EXPECT_THAT(sequences[0].document_starts, ElementsAre(0));
}

TEST(Packing, OneEachKeepsTheOrder) {
  const std::vector<Example> examples{example(2, 0), example(4, 1), example(3, 2)};
  const auto sequences = pack_one_each(examples);
  ASSERT_EQ(sequences.size(), 3U);
  EXPECT_THAT(sequences[1].tokens, ElementsAre(1, 1, 1, 1));
  EXPECT_THAT(sequences[1].is_target, ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(sequences[1].document_starts, ElementsAre(0));
  EXPECT_TRUE(pack_best_fit({}, 10).empty());
}

}  // namespace
}  // namespace tunesmith::engine
