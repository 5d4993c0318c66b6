// The watcher's handlers on in-memory buckets: what is written first, what is announced, when it is
// silent, what is left after a deletion.
#include "watcher/handlers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bus/current.h"
#include "fakes/memory_bus.h"
#include "tunesmith/events/v1/image.pb.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"
#include "watcher/status_fold.h"

namespace tunesmith::watcher {
namespace {

using fakes::MemoryKeyValue;
using fakes::RecordingPublisher;
using nlohmann::json;
using std::chrono::seconds;
namespace v1 = events::v1;

// Notes whether `current` was already there when an announcement was made.
class OrderedPublisher final : public bus::Publisher {
 public:
  OrderedPublisher(MemoryKeyValue& current, RecordingPublisher& to) : current_(current), to_(to) {}
  Result<void> publish(const bus::OutgoingEvent& event) override {
    EXPECT_TRUE(current_.value(event.uid)) << "announced before current was written";
    return to_.publish(event);
  }

 private:
  MemoryKeyValue& current_;
  RecordingPublisher& to_;
};

class WatcherTest : public ::testing::Test {
 protected:
  WatcherTest() { restart(); }

  // A new process on the same buckets.
  void restart() {
    handlers_.emplace(
        Handlers::Parts{workspaces_, current_, ordered_, clock_, metrics_, Log::silent()},
        ReobserveTimes{});
  }

  static json object(std::int64_t generation = 1) {
    return {{"apiVersion", "kaito.sh/v1alpha1"},
            {"kind", "Workspace"},
            {"metadata",
             {{"name", "w"}, {"namespace", "default"}, {"uid", "u1"}, {"generation", generation}}},
            {"tuning", {{"method", "qlora"}}}};
  }
  void apply(const json& object) {
    ASSERT_TRUE(workspaces_.put("spec.default.w", object.dump()));
    show();
  }
  void show() {
    auto entry = workspaces_.get("spec.default.w");
    ASSERT_TRUE(entry && *entry);
    handlers_->on_spec(**entry, {});
  }
  // Delivers what the watcher said to itself, as the stream does.
  void deliver_own() {
    const auto all = publisher_.published();
    for (; delivered_ < all.size(); ++delivered_) {
      EXPECT_EQ(handlers_->on_event(fakes::delivered(all[delivered_])).kind,
                bus::Disposition::Kind::kDone);
    }
  }
  template <typename Event>
  bus::Disposition deliver(Event event, const std::string& suffix = "") {
    event.mutable_workspace()->set_uid("u1");
    event.mutable_workspace()->set_namespace_("default");
    event.mutable_workspace()->set_name("w");
    event.mutable_workspace()->set_generation(1);
    return handlers_->on_event(fakes::delivered(bus::make_event(event, suffix)));
  }
  json status() { return json::parse(workspaces_.value("status.default.w").value_or("null")); }
  std::vector<v1::WorkspaceObserved> announced() { return publisher_.all<v1::WorkspaceObserved>(); }

  MemoryKeyValue workspaces_, current_;
  RecordingPublisher publisher_;
  OrderedPublisher ordered_{current_, publisher_};
  ManualClock clock_;
  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  std::optional<Handlers> handlers_;
  std::size_t delivered_ = 0;
};

TEST_F(WatcherTest, AnnouncesAfterCurrentIsWritten) {
  apply(object());
  ASSERT_EQ(announced().size(), 1u);
  EXPECT_EQ(announced()[0].workspace().pass(), 0);
  EXPECT_EQ(json::parse(announced()[0].manifest_json()), object());
  const auto current = bus::current_from_json(*current_.value("u1"));
  ASSERT_TRUE(current);
  EXPECT_EQ(current->generation, 1);
  EXPECT_FALSE(current->suspended);
}

TEST_F(WatcherTest, TheSameObjectAgainIsNoNews) {
  apply(object());
  deliver_own();
  apply(object());
  restart();
  show();
  EXPECT_EQ(publisher_.accepted(), 1u);
}

TEST_F(WatcherTest, AMissedAnnouncementIsMadeAtTheStart) {
  apply(object());
  publisher_.clear();  // the announcement never reached the stream: no status tells of it
  restart();
  show();
  ASSERT_EQ(announced().size(), 1u);
  EXPECT_EQ(announced()[0].workspace().pass(), 0);
}

TEST_F(WatcherTest, ATransientFailureIsTriedAgain) {
  current_.fail_next({FailureClass::kTransient, "BusUnavailable", "planned"});
  publisher_.fail_next({FailureClass::kTransient, "BusUnavailable", "planned"});
  apply(object());
  EXPECT_EQ(announced().size(), 1u);
}

TEST_F(WatcherTest, AnEditIsAGenerationAnAnnotationIsAPass) {
  apply(object());
  deliver_own();
  apply(object(2));
  deliver_own();
  json retried = object(2);
  retried["metadata"]["annotations"]["tunesmith.dev/retry"] = "1";
  apply(retried);
  retried["metadata"]["annotations"]["tunesmith.dev/retry"] = "2";
  apply(retried);  // in the same second
  retried["metadata"]["labels"]["a"] = "b";
  apply(retried);
  const auto all = announced();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[1].workspace().generation(), 2);
  EXPECT_EQ(all[1].workspace().pass(), 0);
  EXPECT_EQ(all[2].workspace().pass(), 1'700'000'000);
  EXPECT_EQ(all[3].workspace().pass(), 1'700'000'001);
  EXPECT_EQ(bus::current_from_json(*current_.value("u1"))->generation, 2);
  // A look again is none of these.
  clock_.advance(seconds(3'600));
  handlers_->look_again();
  ASSERT_EQ(announced().size(), 5u);
  EXPECT_GT(announced()[4].workspace().pass(), 1'700'003'000);
  EXPECT_EQ(bus::current_from_json(*current_.value("u1"))->pass, 1'700'000'001);
}

TEST_F(WatcherTest, SuspensionStandsInCurrent) {
  json suspended = object();
  suspended["metadata"]["annotations"]["tunesmith.dev/suspend"] = "true";
  apply(suspended);
  EXPECT_TRUE(bus::current_from_json(*current_.value("u1"))->suspended);
  clock_.advance(seconds(3'600));
  handlers_->look_again();
  EXPECT_EQ(announced().size(), 2u);  // its status does not say so yet
  deliver_own();
  EXPECT_EQ(status()["waiting"]["reason"], "Suspended");
  clock_.advance(seconds(3'600));
  handlers_->look_again();
  EXPECT_EQ(announced().size(), 2u);
}

TEST_F(WatcherTest, InlinesTheConfigMapOncePerGeneration) {
  json with_config = object();
  with_config["tuning"]["config"] = "conf";
  const auto config = [&](const std::string& text) {
    const json map = {{"data", {{"training_config.yaml", text}}}};
    ASSERT_TRUE(workspaces_.put("configmap.default.conf", map.dump()));
    handlers_->on_config_map(**workspaces_.get("configmap.default.conf"), {});
  };
  apply(with_config);
  ASSERT_EQ(announced().size(), 1u);
  EXPECT_NE(announced()[0].training_config_problem().find("default/conf"), std::string::npos);
  clock_.advance(seconds(5));
  config("a: 1");
  ASSERT_EQ(announced().size(), 2u);
  EXPECT_EQ(announced()[1].training_config_yaml(), "a: 1");
  EXPECT_EQ(announced()[1].training_config_problem(), "");
  EXPECT_GT(announced()[1].workspace().pass(), 0);
  EXPECT_EQ(bus::current_from_json(*current_.value("u1"))->pass, announced()[1].workspace().pass());
  config("a: 2");
  ASSERT_EQ(announced().size(), 2u);
  clock_.advance(seconds(61));
  handlers_->look_again();
  ASSERT_EQ(announced().size(), 3u);
  EXPECT_EQ(announced()[2].training_config_yaml(), "a: 1");
  with_config["metadata"]["generation"] = 2;
  apply(with_config);
  EXPECT_EQ(announced().back().training_config_yaml(), "a: 2");
}

TEST_F(WatcherTest, ALargeConfigMapIsAProblem) {
  json with_config = object();
  with_config["tuning"]["config"] = "conf";
  const json map = {{"data", {{"training_config.yaml", std::string((64u << 10) + 1, 'x')}}}};
  ASSERT_TRUE(workspaces_.put("configmap.default.conf", map.dump()));
  apply(with_config);
  EXPECT_NE(announced()[0].training_config_problem().find("larger than 64 KiB"), std::string::npos);
}

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

TEST_F(WatcherTest, AConfigMapThatCameWhileNobodyWatchedIsSeen) {
  json wanted = object();
  wanted["tuning"]["config"] = "params";
  apply(wanted);
  deliver_own();
  v1::PlanRejected rejected;
  rejected.mutable_failure()->set_reason("TrainingConfigMissing");
  ASSERT_TRUE(workspaces_.put("configmap.default.params",
                              R"({"data":{"training_config.yaml":"training_config: {}"}})"));
  restart();
  show();
  EXPECT_EQ(announced().size(), 1u);  // not rejected yet, as far as the status tells
  deliver(rejected);
  ASSERT_EQ(announced().size(), 2u);
  EXPECT_EQ(announced()[1].training_config_yaml(), "training_config: {}");
  deliver(rejected);
  EXPECT_EQ(announced().size(), 2u);
}

// Passes only grow, whatever the clock does and whoever announced the last one.
TEST_F(WatcherTest, AConfigMapAfterARestartIsAPassLaterThanAllBefore) {
  json wanted = object();
  wanted["tuning"]["config"] = "params";
  apply(wanted);
  deliver_own();
  clock_.advance(seconds(61));
  handlers_->look_again();
  deliver_own();
  clock_.advance(-seconds(3'600));
  restart();
  show();
  ASSERT_TRUE(workspaces_.put("configmap.default.params",
                              R"({"data":{"training_config.yaml":"training_config: {}"}})"));
  handlers_->on_config_map(**workspaces_.get("configmap.default.params"), {});
  ASSERT_EQ(announced().size(), 3u);
  EXPECT_GT(announced()[2].workspace().pass(), announced()[1].workspace().pass());
}

TEST_F(WatcherTest, ADeletionEndsWithNothing) {
  apply(object());
  deliver_own();
  json deleting = object();
  deleting["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z";
  apply(deleting);
  EXPECT_TRUE(bus::current_from_json(*current_.value("u1"))->deleting);
  ASSERT_EQ(publisher_.all<v1::WorkspaceDeleted>().size(), 1u);
  clock_.advance(seconds(60));
  handlers_->look_again();  // nobody cleaned yet
  EXPECT_EQ(publisher_.all<v1::WorkspaceDeleted>().size(), 2u);
  deliver(v1::WorkspaceCleaned{});
  EXPECT_FALSE(workspaces_.value("spec.default.w"));
  EXPECT_FALSE(workspaces_.value("status.default.w"));
  EXPECT_FALSE(current_.value("u1"));
  handlers_->on_spec({.key = "spec.default.w", .deleted = true}, {});
  EXPECT_FALSE(current_.value("u1"));
  EXPECT_FALSE(handlers_->look_again());
}

TEST_F(WatcherTest, ANewObjectOfTheNameSurvivesALateCleaned) {
  apply(object());
  deliver_own();
  json successor = object();
  successor["metadata"]["uid"] = "u2";
  apply(successor);
  deliver_own();
  deliver(v1::WorkspaceCleaned{});
  EXPECT_TRUE(workspaces_.value("spec.default.w"));
  EXPECT_TRUE(workspaces_.value("status.default.w"));
  EXPECT_TRUE(current_.value("u2"));
  EXPECT_FALSE(current_.value("u1"));
}

TEST_F(WatcherTest, AKeyTakenAwayIsADeletion) {
  apply(object());
  deliver_own();
  ASSERT_TRUE(workspaces_.remove("spec.default.w"));
  handlers_->on_spec({.key = "spec.default.w", .deleted = true}, {});
  EXPECT_TRUE(bus::current_from_json(*current_.value("u1"))->deleting);
  EXPECT_EQ(publisher_.all<v1::WorkspaceDeleted>().size(), 1u);
}

TEST_F(WatcherTest, AKeyTakenAwayWhileNobodyWatchedIsADeletionToo) {
  apply(object());
  deliver_own();
  ASSERT_TRUE(workspaces_.remove("spec.default.w"));
  restart();
  handlers_->on_caught_up({});
  EXPECT_TRUE(bus::current_from_json(*current_.value("u1"))->deleting);
  EXPECT_EQ(publisher_.all<v1::WorkspaceDeleted>().size(), 1u);
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

TEST(ReadObject, NeedsWhatEveryWorkspaceHas) {
  for (const char* none : {"", "[]", "{}", R"({"metadata":{"name":"w","namespace":"d"}})"}) {
    EXPECT_EQ(read_object(none).error().reason, "WorkspaceUnreadable") << none;
  }
}

TEST_F(WatcherTest, WhatIsNoWorkspaceIsLeftAlone) {
  handlers_->on_spec({.key = "spec.default.w", .value = "{"}, {});
  handlers_->on_spec({.key = "spec.default.other", .value = object().dump()}, {});
  EXPECT_EQ(publisher_.accepted(), 0u);
}

}  // namespace
}  // namespace tunesmith::watcher
