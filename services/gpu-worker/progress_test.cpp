#include "progress.h"

#include <gtest/gtest.h>

#include "fakes/memory_bus.h"
#include "step_watch.h"

namespace tunesmith::gpu_worker {
namespace {

using events::v1::TuningProgressed;
using namespace std::chrono_literals;

constexpr ProgressPacer::Time kStart{100s};

TEST(ProgressPacerTest, SaysNothingBeforeThereIsAnythingToSay) {
  EXPECT_EQ(ProgressPacer({}).due(), ProgressPacer::Time::max());
}

TEST(ProgressPacerTest, HoldsChangesBackForTheInterval) {
  ProgressPacer pacer({.at_most_every = 2s, .at_least_every = 30s});
  pacer.changed("Training");
  EXPECT_LE(pacer.due(), kStart);
  pacer.announced(kStart);
  pacer.changed("Training");
  EXPECT_EQ(pacer.due(), kStart + 2s);
}

TEST(ProgressPacerTest, NeverHoldsBackAChangeOfPhase) {
  ProgressPacer pacer({});
  pacer.changed("Training");
  pacer.announced(kStart);
  pacer.changed("Storing");
  pacer.changed("Storing");
  EXPECT_LE(pacer.due(), kStart);
}

TEST(ProgressPacerTest, RepeatsItselfWhileNothingChanges) {
  ProgressPacer pacer({.at_most_every = 2s, .at_least_every = 30s});
  pacer.changed("Evaluating");
  pacer.announced(kStart);
  EXPECT_FALSE(pacer.anything_to_say());
  EXPECT_EQ(pacer.due(), kStart + 30s);
}

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
  // An hour between announcements: what the tests see was urgent or flushed.
  ProgressAnnouncer progress{publisher, Log::silent(), workspace(), "", {1h, 1h}};
};

TEST_F(Progress, TheFirstAndEachNewPhaseAreAnnouncedAtOnceTheLastValueByFlush) {
  progress.begin_attempt(1);
  progress.update(step(1));
  ASSERT_TRUE(publisher.wait_for<TuningProgressed>(1));
  progress.update(step(2));
  progress.update(step(2, "Storing"));
  ASSERT_TRUE(publisher.wait_for<TuningProgressed>(2));
  progress.update(step(3, "Storing"));
  progress.flush();
  progress.flush();
  const auto events = publisher.all<TuningProgressed>();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[2].step(), 3u);
  EXPECT_EQ(events[2].sequence(), 3u);
}

TEST_F(Progress, ANewAttemptStartsFromNothing) {
  progress.begin_attempt(1);
  progress.update(step(50));
  ASSERT_TRUE(publisher.wait_for<TuningProgressed>(1));
  progress.begin_attempt(2);
  progress.update(step(0, "Downloading"));
  ASSERT_TRUE(publisher.wait_for<TuningProgressed>(2));
  const auto last = publisher.all<TuningProgressed>().back();
  EXPECT_EQ(last.step(), 0u);
  EXPECT_EQ(last.attempt(), 2u);
  EXPECT_EQ(last.workspace().uid(), "u");
}

TEST_F(Progress, AWaitIsOverWithTheNextChange) {
  auto waiting = step(0, "Downloading");
  waiting.mutable_waiting()->set_reason("ConnectionLost");
  progress.update(waiting);
  ASSERT_TRUE(publisher.wait_for<TuningProgressed>(1));
  EXPECT_EQ(publisher.all<TuningProgressed>().back().waiting().reason(), "ConnectionLost");
  progress.update(step(0, "Downloading"));
  progress.flush();
  EXPECT_FALSE(publisher.all<TuningProgressed>().back().has_waiting());
}

TEST(StepWatchTest, WaitsTwentyMedianStepsButNeverLessThanTheFloor) {
  StepWatch watch(5min, 20);
  EXPECT_EQ(watch.patience(), 5min);
  std::chrono::steady_clock::time_point now{};
  for (int i = 0; i < 10; ++i) watch.heard(now += 1s);
  EXPECT_EQ(watch.patience(), 5min);
  StepWatch slow(5min, 20);
  for (int i = 0; i < 10; ++i) slow.heard(now += 60s);
  EXPECT_EQ(slow.patience(), 20min);
}

}  // namespace
}  // namespace tunesmith::gpu_worker
