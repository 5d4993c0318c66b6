// What the source says: a Workspace, its ConfigMap, its deletion. What is written first, what is
// announced, what is left.
#include "tunesmith/events/v1/image.pb.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "watcher/handlers_fixture.h"

namespace tunesmith::watcher {
namespace {

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

TEST_F(WatcherTest, WhatIsNoWorkspaceIsLeftAlone) {
  handlers_->on_spec({.key = "spec.default.w", .value = "{"}, {});
  handlers_->on_spec({.key = "spec.default.other", .value = object().dump()}, {});
  EXPECT_EQ(publisher_.accepted(), 0u);
}

TEST(ReadObject, NeedsWhatEveryWorkspaceHas) {
  for (const char* none : {"", "[]", "{}", R"({"metadata":{"name":"w","namespace":"d"}})"}) {
    EXPECT_EQ(read_object(none).error().reason, "WorkspaceUnreadable") << none;
  }
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

}  // namespace
}  // namespace tunesmith::watcher
