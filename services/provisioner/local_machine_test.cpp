#include "provisioner/local_machine.h"

#include <gmock/gmock.h>

#include <thread>

#include "provisioner/testing.h"

namespace tunesmith::provisioner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

using LocalMachineTest = ProvisionerTest;

TEST_F(LocalMachineTest, AnnouncesNodeAndPlan) {
  auto local = machine();
  ASSERT_TRUE(local.want(cleared("a"), 0, "trace").has_value());
  const auto ready = publisher_.all<events::v1::NodesReady>();
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].plan().tuning_key(), "key");
  EXPECT_EQ(ready[0].nodes(0).name(), "node");
  EXPECT_EQ(ready[0].nodes(0).devices_size(), 0);
  EXPECT_EQ(publisher_.published()[0].id, "a/1/0/nodes-ready/1");
  EXPECT_EQ(publisher_.published()[0].traceparent, "trace");
  EXPECT_TRUE(state().assigned.at(0).announced);
  EXPECT_EQ(state().memory_bytes_per_worker, 1u << 30);
}

TEST_F(LocalMachineTest, TheQueueMovesAndPlacesAreAnnounced) {
  auto local = machine();
  for (const char* uid : {"a", "b", "c"}) {
    ASSERT_TRUE(local.want(cleared(uid), 0, "").has_value());
  }
  auto pending = publisher_.all<events::v1::NodesPending>();
  ASSERT_EQ(pending.size(), 2u);
  EXPECT_EQ(pending[1].workspace().uid(), "c");
  EXPECT_EQ(pending[1].queue_position(), 2u);
  EXPECT_EQ(pending[1].waiting().reason(), "NoFreeWorker");
  EXPECT_THAT(pending[1].waiting().message(), HasSubstr("place 2"));
  ASSERT_TRUE(local.release({"a", 1, kAnyPass}).has_value());
  EXPECT_THAT(ready_uids(), ElementsAre("a", "b"));
  pending = publisher_.all<events::v1::NodesPending>();
  ASSERT_EQ(pending.size(), 3u);
  EXPECT_EQ(pending[2].workspace().uid(), "c");
  EXPECT_EQ(pending[2].queue_position(), 1u);
}

TEST_F(LocalMachineTest, WhatCouldNotBePublishedIsPublishedByTheNextProcess) {
  {
    auto local = machine();
    publisher_.fail_next(kNoBus);
    EXPECT_FALSE(local.want(cleared("a"), 0, "").has_value());
  }
  EXPECT_FALSE(state().assigned.at(0).announced);
  auto next = machine();
  ASSERT_TRUE(next.reconcile("").has_value());
  EXPECT_THAT(ready_uids(), ElementsAre("a"));
}

TEST_F(LocalMachineTest, ReconcileTakesFromWhoNoLongerCounts) {
  auto local = machine(2);
  for (const char* uid : {"suspended", "outdated", "deleted", "gone", "waits"}) {
    ASSERT_TRUE(local.want(cleared(uid), 0, "").has_value());
  }
  set_current("suspended", {.generation = 1, .suspended = true});
  set_current("outdated", {.generation = 2});
  set_current("deleted", {.generation = 1, .deleting = true});
  ASSERT_TRUE(current_.remove("gone").has_value());
  ASSERT_TRUE(local.reconcile("").has_value());
  const auto after = state();
  ASSERT_EQ(after.assigned.size(), 1u);
  EXPECT_EQ(after.assigned[0].uid, "waits");
  EXPECT_TRUE(after.waiting.empty());
}

TEST_F(LocalMachineTest, ReconcileOfOneTouchesNoOther) {
  auto local = machine(2);
  for (const char* uid : {"a", "b"}) {
    ASSERT_TRUE(local.want(cleared(uid), 0, "").has_value());
    set_current(uid, {.generation = 2});
  }
  const auto writes = inventory_.writes();
  ASSERT_TRUE(local.reconcile("somebody").has_value());
  EXPECT_EQ(inventory_.writes(), writes);
  ASSERT_TRUE(local.reconcile("a").has_value());
  EXPECT_EQ(state().assigned.at(0).uid, "b");
}

TEST_F(LocalMachineTest, AQueuedWorkspaceWhosePlanIsGoneGivesItsPlaceToTheNext) {
  auto local = machine();
  for (const char* uid : {"a", "b", "c"}) {
    ASSERT_TRUE(local.want(cleared(uid), 0, "").has_value());
  }
  ASSERT_TRUE(plans_.remove("b.1").has_value());
  ASSERT_TRUE(local.release({"a", 1, kAnyPass}).has_value());
  EXPECT_THAT(ready_uids(), ElementsAre("a", "c"));
  EXPECT_TRUE(state().waiting.empty());
}

// A worker with a longer lease than ours would be is at work although it is silent for long.
TEST_F(LocalMachineTest, AWorkersLeaseIsJudgedByTheTimesThatTheWorkersWereTold) {
  ManualClock time;
  LocalMachine local({.publisher = publisher_,
                      .current = current_,
                      .plans = plans_,
                      .inventory = inventory_,
                      .leases = leases_,
                      .clock = time,
                      .metrics = metrics_,
                      .log = Log::silent(),
                      .node = "node",
                      .lease_times = {.duration = std::chrono::minutes(1)}});
  ASSERT_TRUE(leases_.put("a", R"({"holder":"worker","counter":1,"released":false})"));
  ASSERT_TRUE(local.want(cleared("a"), 0, "").has_value());
  time.advance(std::chrono::seconds(59));
  ASSERT_TRUE(local.want(cleared("a", 1, 100), 0, "").has_value());
  EXPECT_THAT(ready_uids(), ElementsAre("a"));
  time.advance(std::chrono::seconds(1));
  ASSERT_TRUE(local.want(cleared("a", 1, 200), 0, "").has_value());
  EXPECT_THAT(ready_uids(), ElementsAre("a", "a"));
}

TEST_F(LocalMachineTest, TwoProcessesAtOnceLoseNothing) {
  auto one = machine(3);
  auto two = machine(3);
  std::vector<events::v1::PlanCleared> events;
  for (int i = 0; i < 20; ++i) {
    events.push_back(cleared("u" + std::to_string(i)));
  }
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 20; ++i) {
      threads.emplace_back([&, i] {
        EXPECT_TRUE(
            (i % 2 == 0 ? one : two).want(events[static_cast<std::size_t>(i)], 0, "").has_value());
      });
    }
  }
  EXPECT_EQ(state().assigned.size(), 3u);
  EXPECT_EQ(state().waiting.size(), 17u);
  EXPECT_EQ(ready_uids().size(), 3u);
}

}  // namespace
}  // namespace tunesmith::provisioner
