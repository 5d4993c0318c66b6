// The promises hold in thousands of histories; the same seed tells the same story; and a system
// that is broken on purpose is caught.
#include <gtest/gtest.h>

#include <cstdlib>

#include "simulation/runner.h"

namespace tunesmith::simulation {
namespace {

constexpr std::uint64_t kHistories = 10'000;
// A mutation must be caught within so many.
constexpr std::uint64_t kHistoriesPerMutation = 1'500;

TEST(Simulation, AllPromisesAreKeptInEveryHistory) {
  const Report report = run_many({.first = 1, .count = kHistories});
  print_report(report, Mutation::kNone);
  EXPECT_TRUE(report.failures.empty());
  EXPECT_EQ(report.histories, kHistories);
  // Processes died before and after nearly everything that they do.
  EXPECT_GT(report.deaths.size(), 150u);
}

TEST(Simulation, TheSameSeedTellsTheSameStory) {
  for (const std::uint64_t seed : {3u, 50u, 126u, 312u}) {
    const Verdict once = run_in_child(seed, true, Mutation::kNone);
    const Verdict again = run_in_child(seed, true, Mutation::kNone);
    const Verdict silent = run_in_child(seed, false, Mutation::kNone);
    EXPECT_GT(once.story.size(), 20u);
    EXPECT_EQ(once.story, again.story) << "seed " << seed;
    EXPECT_EQ(once.switches, silent.switches)
        << "seed " << seed << ": telling changes what happens";
  }
}

class Mutations : public ::testing::TestWithParam<Mutation::Named> {};

TEST_P(Mutations, AreCaught) {
  const Report report = run_many(
      {.first = 1, .count = kHistoriesPerMutation, .jobs = 0, .mutation = GetParam().kind});
  ASSERT_FALSE(report.failures.empty()) << report.histories << " histories, and nobody noticed";
  std::printf("%s: seed %llu of %llu: %s\n", GetParam().name,
              static_cast<unsigned long long>(report.failures.front().seed),
              static_cast<unsigned long long>(report.histories),
              report.failures.front().violation.substr(0, 150).c_str());
}

INSTANTIATE_TEST_SUITE_P(All, Mutations, ::testing::ValuesIn(Mutation::all()),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace tunesmith::simulation
