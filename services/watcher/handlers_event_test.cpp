// What the stream says: events folded into the status, silence that is looked after, dead letters.
#include "tunesmith/events/v1/image.pb.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"
#include "watcher/handlers_fixture.h"

namespace tunesmith::watcher {
namespace {

TEST_F(WatcherTest, FoldsEventsIntoTheStatus) {
  apply(object());
  deliver_own();
  EXPECT_EQ(status().at("state"), "Pending");
  deliver(v1::TuningPlanned{});
  const auto writes = workspaces_.writes();
  deliver(v1::TuningPlanned{});
  EXPECT_EQ(workspaces_.writes(), writes) << "nothing changed, nothing is written";
  deliver(v1::NodesReady{}, "1");
  EXPECT_EQ(status().at("state"), "Running");
}

TEST_F(WatcherTest, ProgressIsWrittenEveryTwoSecondsAndTheLastIsNotLost) {
  apply(object());
  deliver_own();
  const auto progress = [&](int sequence) {
    v1::TuningProgressed event;
    event.set_attempt(1);
    event.set_sequence(sequence);
    event.set_step(sequence);
    return deliver(event, std::to_string(sequence));
  };
  clock_.advance(seconds(3));
  EXPECT_EQ(progress(1).kind, bus::Disposition::Kind::kDone);
  const auto writes = workspaces_.writes();
  const auto held = progress(2);
  EXPECT_EQ(held.kind, bus::Disposition::Kind::kRetry);
  EXPECT_EQ(held.delay, seconds(2));
  EXPECT_EQ(progress(3).kind, bus::Disposition::Kind::kRetry);
  EXPECT_EQ(workspaces_.writes(), writes);
  clock_.advance(seconds(2));
  EXPECT_EQ(progress(2).kind, bus::Disposition::Kind::kDone);
  EXPECT_EQ(status().at("tuning").at("step"), 3);
  EXPECT_EQ(progress(3).kind, bus::Disposition::Kind::kDone);
  EXPECT_EQ(workspaces_.writes(), writes + 1);
}

TEST_F(WatcherTest, AStatusThatSomebodyElseWroteIsFoldedAgain) {
  apply(object());
  deliver_own();
  json other = status();
  other["foreign"] = true;
  ASSERT_TRUE(workspaces_.put("status.default.w", other.dump()));
  EXPECT_EQ(deliver(v1::NodesReady{}, "1").kind, bus::Disposition::Kind::kDone);
  EXPECT_EQ(status().at("state"), "Running");
}

TEST_F(WatcherTest, GarbageIsDeadAndStrangersAreIgnored) {
  apply(object());
  bus::IncomingEvent garbage{.id = "x", .token = "tuning-planned", .uid = "u1", .payload = "\xff"};
  EXPECT_EQ(handlers_->on_event(garbage).kind, bus::Disposition::Kind::kDead);
  v1::TuningPlanned stranger;
  stranger.mutable_workspace()->set_uid("nobody");
  EXPECT_EQ(handlers_->on_event(fakes::delivered(bus::make_event(stranger))).kind,
            bus::Disposition::Kind::kDone);
}

TEST_F(WatcherTest, SilenceIsFollowedByALookAgainThatBacksOff) {
  apply(object());
  deliver_own();
  handlers_->look_again();
  EXPECT_EQ(announced().size(), 1u);
  clock_.advance(seconds(60));
  handlers_->look_again();
  ASSERT_EQ(announced().size(), 2u);
  EXPECT_EQ(announced()[1].workspace().pass(), 1'700'000'060);
  EXPECT_TRUE(publisher_.published().back().id.ends_with("/again"));
  EXPECT_TRUE(json::parse(announced()[1].status_json()).contains("conditions"));
  EXPECT_FALSE(json::parse(announced()[1].status_json()).contains("facts"));
  deliver_own();  // the own voice does not end the silence
  clock_.advance(seconds(119));
  handlers_->look_again();
  EXPECT_EQ(announced().size(), 2u);
  clock_.advance(seconds(1));
  handlers_->look_again();
  EXPECT_EQ(announced().size(), 3u);
  deliver(v1::TuningPlanned{});  // news
  clock_.advance(seconds(60));
  handlers_->look_again();
  EXPECT_EQ(announced().size(), 4u);
}

TEST_F(WatcherTest, TheFinishedAreLeftAlone) {
  apply(object());
  deliver_own();
  v1::PlanRejected rejected;
  rejected.mutable_failure()->set_reason("DataNotFound");
  deliver(rejected);
  EXPECT_EQ(status().at("state"), "Failed");
  clock_.advance(seconds(7'200));
  EXPECT_FALSE(handlers_->look_again());
  restart();
  show();
  clock_.advance(seconds(7'200));
  handlers_->look_again();
  EXPECT_EQ(announced().size(), 1u);
}

// The announcement of a change is lost (the bus's machine lost power), and the status tells of the
// success before the change.
TEST_F(WatcherTest, AFinishedStatusOfBeforeAChangeIsNoReasonToLookAway) {
  apply(object());
  deliver_own();
  deliver(v1::ImagePushed());
  EXPECT_EQ(status()["state"], "Succeeded");
  apply(object(2));
  ASSERT_EQ(announced().size(), 2u);
  deliver(v1::ImagePushed(), "late");
  clock_.advance(seconds(61));
  handlers_->look_again();
  ASSERT_EQ(announced().size(), 3u);
  EXPECT_EQ(announced()[2].workspace().generation(), 2);
}

TEST_F(WatcherTest, DeadLettersStandInTheStatus) {
  apply(object());
  deliver_own();
  bus::DeadLetter letter{.sequence = 3, .consumer = "planner_workspace-observed"};
  letter.event.uid = "u1";
  letter.event.token = "workspace-observed";
  letter.failure = {FailureClass::kPoison, "EventUndecodable", "garbage"};
  workspaces_.fail_next({FailureClass::kTransient, "BusUnavailable", "no answer"});
  EXPECT_EQ(handlers_->on_dead_letter(letter).kind, bus::Disposition::Kind::kRetry);
  EXPECT_EQ(handlers_->on_dead_letter(letter).kind, bus::Disposition::Kind::kDone);
  EXPECT_EQ(status().at("incidents")[0].at("reason"), "DeadLettered");
}

// A look again leaves alone who was told to run. Whose NodesReady nobody could handle does not run:
// the pass is one of a change, upon which the provisioner gives it a worker again.
TEST_F(WatcherTest, ANodesReadyInTheDeadLettersIsLookedAfterLikeARetry) {
  apply(object());
  deliver_own();
  deliver(v1::NodesReady(), "1");
  bus::DeadLetter letter;
  letter.event.token = "nodes-ready";
  letter.event.uid = "u1";
  letter.sequence = 4;
  letter.time = "2100-01-01T00:00:00.000Z";
  handlers_->on_dead_letter(letter);
  clock_.advance(seconds(61));
  handlers_->look_again();
  ASSERT_EQ(announced().size(), 2u);
  const auto pass = announced()[1].workspace().pass();
  EXPECT_GT(pass, 0);
  EXPECT_EQ(publisher_.published().back().id,
            "u1/1/" + std::to_string(pass) + "/workspace-observed");
  EXPECT_EQ(bus::current_from_json(*current_.value("u1"))->pass, pass);
}

TEST_F(WatcherTest, OtherDeadLettersAreNoReasonToTrainAgain) {
  apply(object());
  deliver_own();
  bus::DeadLetter letter;
  letter.event.token = "tuning-progressed";
  letter.event.uid = "u1";
  letter.time = "2100-01-01T00:00:00.000Z";
  handlers_->on_dead_letter(letter);
  clock_.advance(seconds(61));
  handlers_->look_again();
  ASSERT_EQ(announced().size(), 2u);
  EXPECT_TRUE(publisher_.published().back().id.ends_with("/again"));
  EXPECT_EQ(bus::current_from_json(*current_.value("u1"))->pass, 0);
}

}  // namespace
}  // namespace tunesmith::watcher
