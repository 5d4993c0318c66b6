// Neither order nor repetition changes what the status tells; generations, passes and other objects
// of the name begin anew.
#include <random>

#include "watcher/status_history.h"

namespace tunesmith::watcher {
namespace {

TEST(StatusFold, AWholeRunInAnyOrder) {
  History history = whole_history();
  const json expected = folded(history);
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    std::shuffle(history.begin(), history.end(), random);
    History twice = history;
    twice.insert(twice.end(), history.begin(), history.begin() + 4);
    ASSERT_EQ(folded(twice), expected);
  }
}

TEST(StatusFold, ShortHistoriesInEveryOrder) {
  const At at;
  expect_no_order({told(0, at, observed()), told(2, at, planned()),
                   told(3, at, failed<v1::PlanRejected>("PushDenied")),
                   told(4, at, pending(1, 2), "1"), told(5, at, ready(), "1")});
  expect_no_order({told(10, at, ready(), "1"), told(11, at, started(1), "1"),
                   told(15, at, progress(1, 2, "Training", 10), "1/2"),
                   told(16, at, progress(1, 3, "Training", 20), "1/3"),
                   told(20, at, started(2, "WorkerLost"), "2")});
}

TEST(StatusFold, PassesInEveryOrder) {
  const At again{.pass = 100};
  const At retried{.pass = 200};
  const History history = {told(0, {}, observed()),
                           told(3, {}, failed<v1::PlanRejected>("DataNotFound")),
                           told(60, again, observed(), kAgain),
                           told(62, again, failed<v1::PlanRejected>("DataNotFound")),
                           told(90, retried, observed({{"tunesmith.dev/retry", "1"}}))};
  expect_no_order(history);
  EXPECT_EQ(folded({history.begin(), history.begin() + 4}).at("state"), "Failed");
  // The retry makes the old refusal history at once.
  const json status = folded(history);
  EXPECT_EQ(status.at("state"), "Pending");
  EXPECT_EQ(condition(status, "PlanAccepted").at("status"), "absent");
  EXPECT_FALSE(status.contains("failure"));
  History on = history;
  on.push_back(told(91, retried, planned()));
  EXPECT_EQ(condition(folded(on), "PlanAccepted").at("status"), "True");
}

TEST(StatusFold, ALaterGenerationBeginsAnewInEveryOrder) {
  const At first;
  const At second{.generation = 2};
  const History history = {
      told(0, first, observed()), told(3, first, failed<v1::PlanRejected>("DataNotFound")),
      told(9, second, observed()), told(10, second, planned()), told(11, first, pushed())};
  expect_no_order(history);
  const json status = folded(history);
  EXPECT_EQ(status.at("observedGeneration"), 2);
  EXPECT_EQ(status.at("state"), "Pending");
  EXPECT_FALSE(status.contains("output"));
}

// A retry of a Workspace that succeeded: the user asked for it, so its failure is told. The image
// is still there.
TEST(StatusFold, ARetryAfterSuccessThatFailsIsToldInEveryOrder) {
  const At retried{.pass = 200};
  const History end = {told(0, {}, observed()), told(40, {}, pushed()),
                       told(50, retried, observed({{"tunesmith.dev/retry", "1"}})),
                       told(51, retried, failed<v1::PlanRejected>("PushDenied"))};
  expect_no_order(end);
  const json status = folded(end);
  EXPECT_EQ(status.at("state"), "Failed");
  EXPECT_EQ(status.at("failure").at("reason"), "PushDenied");
  EXPECT_EQ(status.at("output").at("digest"), "sha256:d");
  EXPECT_EQ(condition(status, "WorkspaceSucceeded").at("status"), "False");
  EXPECT_EQ(condition(status, "WorkspaceReady").at("status"), "True");
  EXPECT_EQ(folded({end[0], end[1], end[2]}).at("state"), "Succeeded");
  // The next retry mends it.
  History mended = end;
  mended.push_back(told(60, {.pass = 300}, observed({{"tunesmith.dev/retry", "2"}})));
  EXPECT_EQ(folded(mended).at("state"), "Succeeded");
  mended.push_back(told(61, {.pass = 300}, pushed()));
  EXPECT_EQ(folded(mended).at("state"), "Succeeded");
  expect_no_order(mended);
  // A push that ended after the refusal is the truth.
  EXPECT_EQ(folded({end[0], told(55, {}, pushed()), end[2], end[3]}).at("state"), "Succeeded");
}

TEST(StatusFold, AnotherObjectOfTheSameNameBeginsAnew) {
  auto other = told(60, {}, observed());
  v1::WorkspaceObserved event;
  ASSERT_TRUE(event.ParseFromString(other.payload));
  event.mutable_workspace()->set_uid("u2");
  other.payload = event.SerializeAsString();
  const auto status = fold(folded(whole_history()), other);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->at("state"), "Pending");
}

}  // namespace
}  // namespace tunesmith::watcher
