#include "progress.h"

#include <gtest/gtest.h>

#include "fakes/memory_bus.h"
#include "step_watch.h"

namespace tunesmith::gpu_worker {
namespace {

using events::v1::TuningProgressed;
using namespace std::chrono_literals;

class Progress : public testing::Test {
 protected:
  static events::v1::WorkspaceRef workspace() {
    events::v1::WorkspaceRef ref;
    ref.set_uid("u");
    ref.set_generation(1);
    return ref;
  }
  static TuningProgressed step(std::uint64_t number, const std::string& phase = "Training") {
    TuningProgressed change;
    change.set_phase(phase);
    change.set_step(number);
    return change;
  }

  fakes::RecordingPublisher publisher;
  ManualClock clock;
  Log log = Log::silent();
  ProgressAnnouncer progress{publisher, clock, log, workspace(), "", 2s};
};

TEST_F(Progress, IsAnnouncedAtMostOncePerIntervalWithTheLatestValues) {
  progress.set_attempt(1);
  for (std::uint64_t i = 1; i <= 5; ++i) progress.update(step(i));
  EXPECT_EQ(publisher.all<TuningProgressed>().size(), 1u);
  clock.advance(2s);
  progress.update(step(6));
  const auto events = publisher.all<TuningProgressed>();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].step(), 6u);
  EXPECT_NE(publisher.published()[0].id, publisher.published()[1].id);
}

TEST_F(Progress, AChangeOfPhaseIsNeverHeldBack) {
  progress.update(step(1));
  progress.update(step(1, "Storing"));
  EXPECT_EQ(publisher.all<TuningProgressed>().back().phase(), "Storing");
}

TEST_F(Progress, TheLastValueIsNotLost) {
  progress.update(step(1));
  progress.update(step(2));
  progress.flush();
  EXPECT_EQ(publisher.all<TuningProgressed>().back().step(), 2u);
  progress.flush();
  EXPECT_EQ(publisher.all<TuningProgressed>().size(), 2u);
}

TEST_F(Progress, ANewAttemptStartsFromNothing) {
  progress.set_attempt(1);
  progress.update(step(50));
  progress.set_attempt(2);
  clock.advance(2s);
  TuningProgressed change;
  change.set_phase("Training");
  progress.update(change);
  const auto last = publisher.all<TuningProgressed>().back();
  EXPECT_EQ(last.step(), 0u);
  EXPECT_EQ(last.attempt(), 2u);
  EXPECT_EQ(last.workspace().uid(), "u");
}

TEST(StepWatchTest, WaitsTwentyMedianStepsButNeverLessThanTheFloor) {
  StepWatch watch(5min);
  EXPECT_EQ(watch.patience(), 5min);
  std::chrono::steady_clock::time_point now{};
  for (int i = 0; i < 10; ++i) watch.heard(now += 1s);
  EXPECT_EQ(watch.patience(), 5min);
  StepWatch slow(5min);
  for (int i = 0; i < 10; ++i) slow.heard(now += 60s);
  EXPECT_EQ(slow.patience(), 20min);
}

}  // namespace
}  // namespace tunesmith::gpu_worker
