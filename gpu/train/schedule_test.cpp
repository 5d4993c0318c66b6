#include "train/schedule.h"

#include <gtest/gtest.h>

namespace tunesmith::engine {
namespace {

struct Case {
  const char* type;
  std::uint64_t warmup;
  double warmup_ratio;
  std::uint64_t total;
  std::uint64_t done;
  double expected;
};

// Values of transformers.get_scheduler(type, optimizer, warm-up, total) with a peak of 1.
class ScheduleTest : public testing::TestWithParam<Case> {};

TEST_P(ScheduleTest, IsTransformers) {
  const Case& c = GetParam();
  HyperParameters hyper;
  hyper.learning_rate = 1;
  hyper.lr_scheduler_type = c.type;
  hyper.warmup_steps = c.warmup;
  hyper.warmup_ratio = c.warmup_ratio;
  EXPECT_NEAR(learning_rate(hyper, c.total, c.done), c.expected, 1e-12);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ScheduleTest,
    testing::Values(Case{"linear", 0, 0, 10, 0, 1.0}, Case{"linear", 0, 0, 10, 9, 0.1},
                    Case{"linear", 4, 0, 10, 0, 0.0}, Case{"linear", 4, 0, 10, 3, 0.75},
                    Case{"linear", 4, 0, 10, 4, 1.0}, Case{"linear", 4, 0, 10, 7, 0.5},
                    // 0.25 of 10 steps is 2.5: 3 steps; a number of steps wins over the share
                    Case{"linear", 0, 0.25, 10, 1, 1.0 / 3}, Case{"linear", 2, 0.9, 10, 1, 0.5},
                    Case{"cosine", 0, 0, 10, 0, 1.0}, Case{"cosine", 0, 0, 10, 5, 0.5},
                    Case{"cosine", 2, 0, 10, 1, 0.5}, Case{"cosine", 2, 0, 10, 6, 0.5},
                    Case{"cosine", 2, 0, 10, 4, 0.8535533905932737},
                    Case{"constant", 4, 0, 10, 0, 1.0}, Case{"constant", 4, 0, 10, 9, 1.0},
                    Case{"constant_with_warmup", 4, 0, 10, 1, 0.25},
                    Case{"constant_with_warmup", 4, 0, 10, 9, 1.0},
                    // a warm-up longer than the run never reaches the peak
                    Case{"linear", 20, 0, 10, 9, 0.45}, Case{"cosine", 20, 0, 10, 9, 0.45}));

}  // namespace
}  // namespace tunesmith::engine
