#include "provisioner/handlers.h"

#include <gmock/gmock.h>

#include <thread>

#include "bus/results.h"
#include "provisioner/testing.h"
#include "runtime/text.h"

namespace tunesmith::provisioner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = bus::Disposition::Kind;

class HandlersTest : public ProvisionerTest {
 protected:
  template <typename Event>
  static bus::IncomingEvent delivered(const Event& event, const std::string& suffix = "") {
    return fakes::delivered(bus::make_event(event, suffix));
  }
  template <typename Event>
  static Event about(const events::v1::WorkspaceRef& workspace) {
    Event event;
    *event.mutable_workspace() = workspace;
    return event;
  }
  void store_adapter(const std::string& uid) {
    events::v1::AdapterReady ready;
    *ready.mutable_workspace() = workspace(uid);
    ready.mutable_adapter()->set_bucket("ws-" + uid);
    ready.mutable_adapter()->set_name("adapter/key/1");
    objects_.put_bytes("ws-" + uid, "adapter/key/1", "bytes");
    ASSERT_TRUE(results_.put(bus::result_key(uid, "key"), bus::encode_result(ready)).has_value());
  }
  events::v1::ImagePushed pushed(const std::string& uid) {
    auto event = about<events::v1::ImagePushed>(workspace(uid));
    event.set_digest("sha256:1");
    event.set_tuning_key("key");
    event.mutable_adapter()->set_bucket("ws-" + uid);
    event.mutable_adapter()->set_name("adapter/key/1");
    return event;
  }

  // `expiry`: of a lease that nobody renews.
  CleanupParts cleanup(std::chrono::milliseconds expiry) {
    return {.plans = plans_,
            .results = results_,
            .leases = leases_,
            .rendezvous = rendezvous_,
            .objects = objects_,
            .logs = logs_,
            .clock = clock_,
            .log = Log::silent(),
            .lease_times = {expiry, expiry / 4}};
  }

  LocalMachine machine_{machine()};
  Handlers handlers_{{.publisher = publisher_,
                      .current = current_,
                      .results = results_,
                      .objects = objects_,
                      .nodes = machine_,
                      .cleanup = cleanup(std::chrono::seconds(10)),
                      .metrics = metrics_,
                      .log = Log::silent()}};
};

TEST_F(HandlersTest, AClearedPlanGetsAWorker) {
  EXPECT_EQ(handlers_.on_plan_cleared(delivered(cleared("a")), {}).kind, Kind::kDone);
  EXPECT_THAT(ready_uids(), ElementsAre("a"));
}

TEST_F(HandlersTest, WhatNoLongerCountsGetsNone) {
  for (const bus::Current& state :
       {bus::Current{.generation = 2}, bus::Current{.generation = 1, .deleting = true},
        bus::Current{.generation = 1, .suspended = true}}) {
    const auto event = cleared("a");
    set_current("a", state);
    EXPECT_EQ(handlers_.on_plan_cleared(delivered(event), {}).kind, Kind::kDone);
  }
  EXPECT_TRUE(publisher_.published().empty());
}

TEST_F(HandlersTest, AnAdapterThatExistsIsAnnouncedAgainInThePassOfTheEvent) {
  const auto event = cleared("a", 2, 1000);
  store_adapter("a");
  EXPECT_EQ(handlers_.on_plan_cleared(delivered(event), {}).kind, Kind::kDone);
  EXPECT_TRUE(ready_uids().empty());
  const auto ready = publisher_.all<events::v1::AdapterReady>();
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].workspace().generation(), 2);
  EXPECT_EQ(ready[0].workspace().pass(), 1000);
  EXPECT_EQ(ready[0].plan().tuning_key(), "key");
  EXPECT_EQ(ready[0].adapter().name(), "adapter/key/1");
}

TEST_F(HandlersTest, AnEditOfTheOutputAloneAfterThePushIsNotTrainedAgain) {
  set_current("a", {.generation = 1});
  store_adapter("a");
  EXPECT_EQ(handlers_.on_image_pushed(delivered(pushed("a")), {}).kind, Kind::kDone);
  auto event = cleared("a", 2);
  *event.mutable_plan() = plan("registry.example.org/another:1");
  EXPECT_EQ(handlers_.on_plan_cleared(delivered(event), {}).kind, Kind::kDone);
  EXPECT_TRUE(ready_uids().empty());
  const auto ready = publisher_.all<events::v1::AdapterReady>();
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].workspace().generation(), 2);
  EXPECT_EQ(ready[0].plan().output().image(), "registry.example.org/another:1");
  EXPECT_TRUE(objects_.bytes(ready[0].adapter().bucket(), ready[0].adapter().name()).has_value());
}

TEST_F(HandlersTest, AnAdapterThatWasLostIsTrainedAgain) {
  const auto event = cleared("a");
  store_adapter("a");
  ASSERT_TRUE(objects_.remove("ws-a", "adapter/key/1").has_value());
  EXPECT_EQ(handlers_.on_plan_cleared(delivered(event), {}).kind, Kind::kDone);
  EXPECT_THAT(ready_uids(), ElementsAre("a"));
  EXPECT_EQ(results_.value("a.key"), std::nullopt);
}

TEST_F(HandlersTest, AnAdapterThatMayNotBeLookedAtIsKept) {
  const auto event = cleared("a");
  store_adapter("a");
  objects_.fail_next({FailureClass::kPermanent, "BusNotPermitted", "may not"});
  EXPECT_EQ(handlers_.on_plan_cleared(delivered(event), {}).kind, Kind::kRetry);
  results_.fail_next({FailureClass::kPermanent, "BusRefused", "no"});
  EXPECT_EQ(handlers_.on_plan_cleared(delivered(event), {}).kind, Kind::kRetry);
  EXPECT_TRUE(ready_uids().empty());
  EXPECT_TRUE(results_.value("a.key").has_value());
  objects_.fail_next({FailureClass::kPermanent, "ObjectCorrupt", "no JSON"});
  EXPECT_EQ(handlers_.on_plan_cleared(delivered(event), {}).kind, Kind::kDone);
  EXPECT_THAT(ready_uids(), ElementsAre("a"));
}

TEST_F(HandlersTest, EveryEndFreesTheWorkerForTheNext) {
  const auto adapter = about<events::v1::AdapterReady>(workspace("a"));
  const auto failed = about<events::v1::TuningFailed>(workspace("b"));
  const auto rejected = about<events::v1::PlanRejected>(workspace("c"));
  for (const char* uid : {"a", "b", "c", "d"}) {
    handlers_.on_plan_cleared(delivered(cleared(uid)), {});
  }
  EXPECT_EQ(handlers_.on_adapter_ready(delivered(adapter), {}).kind, Kind::kDone);
  EXPECT_EQ(handlers_.on_tuning_failed(delivered(failed), {}).kind, Kind::kDone);
  EXPECT_EQ(handlers_.on_plan_rejected(delivered(rejected), {}).kind, Kind::kDone);
  EXPECT_EQ(handlers_.on_plan_rejected(delivered(rejected), {}).kind, Kind::kDone);
  EXPECT_THAT(ready_uids(), ElementsAre("a", "b", "c", "d"));
}

TEST_F(HandlersTest, AFailureFreesTheWorkerThoughTheTrainingWasLookedAtAgain) {
  const auto first = cleared("a");
  const auto again = cleared("a", 1, 100);
  set_current("a", {.generation = 1});  // nothing changed since
  handlers_.on_plan_cleared(delivered(first), {});
  ASSERT_TRUE(leases_.put("a", R"({"holder":"worker","counter":1,"released":false})"));
  handlers_.on_plan_cleared(delivered(again), {});
  EXPECT_THAT(ready_uids(), ElementsAre("a"));
  handlers_.on_tuning_failed(delivered(about<events::v1::TuningFailed>(workspace("a"))), {});
  EXPECT_TRUE(state().assigned.empty());
  handlers_.on_plan_cleared(delivered(again), {});
  EXPECT_TRUE(state().assigned.empty());
  // What was under way when the user asked for a retry gives way to the retry.
  const auto retry = cleared("a", 1, 200);
  handlers_.on_plan_cleared(delivered(again), {});
  EXPECT_TRUE(state().assigned.empty());
  handlers_.on_plan_cleared(delivered(retry), {});
  EXPECT_THAT(ready_uids(), ElementsAre("a", "a"));
}

// What told the worker to begin is lost, or ended in the dead letters.
TEST_F(HandlersTest, ALookAgainAtATrainingThatNobodyWorksOnIsToldAgain) {
  handlers_.on_plan_cleared(delivered(cleared("a")), {});
  const auto again = cleared("a", 1, 100);
  set_current("a", {.generation = 1});  // nothing changed since
  ASSERT_TRUE(leases_.put("a", R"({"holder":"worker","counter":1,"released":true})"));
  handlers_.on_plan_cleared(delivered(again), {});
  EXPECT_THAT(ready_uids(), ElementsAre("a", "a"));
  EXPECT_EQ(state().assigned.size(), 1u);
}

TEST_F(HandlersTest, APlanThatWasLostAndIsMadeAgainGetsAWorker) {
  const auto first = cleared("a");
  ASSERT_TRUE(plans_.remove("a.1").has_value());
  handlers_.on_plan_cleared(delivered(first), {});
  EXPECT_TRUE(ready_uids().empty());
  EXPECT_TRUE(state().assigned.empty());
  const auto again = cleared("a", 1, 100);
  set_current("a", {.generation = 1});  // a look again: nothing changed since
  handlers_.on_plan_cleared(delivered(again), {});
  EXPECT_THAT(ready_uids(), ElementsAre("a"));
}

TEST_F(HandlersTest, AFailureOfAnOlderPassKeepsTheRetry) {
  handlers_.on_plan_cleared(delivered(cleared("a", 1, 1000)), {});
  handlers_.on_tuning_failed(delivered(about<events::v1::TuningFailed>(workspace("a"))), {});
  EXPECT_EQ(state().assigned.size(), 1u);
  handlers_.on_adapter_ready(delivered(about<events::v1::AdapterReady>(workspace("a"))), {});
  EXPECT_TRUE(state().assigned.empty());
}

class PushedTest : public HandlersTest {
 protected:
  void SetUp() override {
    set_current("a", {.generation = 1});
    store_adapter("a");
    objects_.put_bytes("ws-a", "checkpoint/key/0000000007", "bytes");
    objects_.put_bytes("ws-a", "adapter/old/2", "bytes");
    objects_.put_bytes("ws-a", "checkpoint/older/0000000003", "bytes");
    ASSERT_TRUE(results_.put("a.old", "x").has_value());
    objects_.put_bytes("ws-b", "adapter/old/1", "bytes");
    ASSERT_TRUE(results_.put("b.old", "x").has_value());
  }
  std::vector<std::string> names(const std::string& bucket) {
    std::vector<std::string> found;
    const auto objects = objects_.list(bucket).value();
    for (const auto& object : objects) found.push_back(object.name);
    return found;
  }
  void expect_only_other_keys_of_a_are_gone() {
    EXPECT_THAT(names("ws-a"), ElementsAre("adapter/key/1", "checkpoint/key/0000000007"));
    EXPECT_THAT(names("ws-b"), ElementsAre("adapter/old/1"));
    EXPECT_THAT(*results_.keys(">"), ElementsAre("a.key", "b.old"));
  }
};

TEST_F(PushedTest, OnlyWhatOtherTuningKeysLeftGoes) {
  EXPECT_EQ(handlers_.on_image_pushed(delivered(pushed("a")), {}).kind, Kind::kDone);
  expect_only_other_keys_of_a_are_gone();
  EXPECT_EQ(handlers_.on_image_pushed(delivered(pushed("a")), {}).kind, Kind::kDone);
  expect_only_other_keys_of_a_are_gone();
}

TEST_F(PushedTest, TroubleOfTheBusIsTriedAgain) {
  for (auto* bucket : {&current_, &results_}) {
    bucket->fail_next(kNoBus);
    EXPECT_EQ(handlers_.on_image_pushed(delivered(pushed("a")), {}).kind, Kind::kRetry);
  }
  objects_.fail_next(kNoBus);
  EXPECT_EQ(handlers_.on_image_pushed(delivered(pushed("a")), {}).kind, Kind::kRetry);
  EXPECT_EQ(handlers_.on_image_pushed(delivered(pushed("a")), {}).kind, Kind::kDone);
  expect_only_other_keys_of_a_are_gone();
}

TEST_F(PushedTest, WhatTheNextGenerationMayWantStays) {
  set_current("a", {.generation = 2});
  EXPECT_EQ(handlers_.on_image_pushed(delivered(pushed("a")), {}).kind, Kind::kDone);
  EXPECT_EQ(names("ws-a").size(), 4u);
}

class DeletionTest : public HandlersTest {
 protected:
  void SetUp() override {
    for (const char* uid : {"a", "b"}) {
      handlers_.on_plan_cleared(delivered(cleared(uid)), {});
      store_adapter(uid);
      ASSERT_TRUE(rendezvous_.put(uid, "x").has_value());
      ASSERT_TRUE(logs_.append(uid, {{.text = "a line"}}).has_value());
    }
    publisher_.clear();
    set_current("a", {.generation = 1, .deleting = true});
  }
  bus::Disposition remove_a(std::stop_token stop = {}) {
    return handlers_.on_workspace_deleted(
        delivered(about<events::v1::WorkspaceDeleted>(workspace("a"))), stop);
  }
  void expect_only_b_is_left() {
    EXPECT_THAT(*objects_.buckets(), ElementsAre("ws-b"));
    EXPECT_THAT(*results_.keys(">"), ElementsAre("b.key"));
    EXPECT_THAT(*plans_.keys(">"), ElementsAre("b.1"));
    EXPECT_THAT(*rendezvous_.keys(">"), ElementsAre("b"));
    EXPECT_TRUE(leases_.keys(">")->empty());
    EXPECT_EQ(logs_.batches("a"), 0u);
    EXPECT_EQ(logs_.batches("b"), 1u);
  }
};

TEST_F(DeletionTest, RemovesEverythingOfThatUidThenSaysSo) {
  EXPECT_EQ(remove_a().kind, Kind::kDone);
  expect_only_b_is_left();
  EXPECT_THAT(ready_uids(), ElementsAre("b"));
  EXPECT_EQ(publisher_.published().back().token, "workspace-cleaned");
  EXPECT_EQ(remove_a().kind, Kind::kDone);
  EXPECT_EQ(publisher_.all<events::v1::WorkspaceCleaned>().size(), 1u);
}

TEST_F(DeletionTest, WaitsForTheWorkerToLetGo) {
  auto lease = bus::acquire_lease(
      leases_, "a", "worker", {std::chrono::milliseconds(10'000), std::chrono::milliseconds(500)},
      clock_, Log::silent(), std::chrono::milliseconds(10'000), {});
  ASSERT_TRUE(lease.has_value());
  std::jthread cleaner([&] { EXPECT_EQ(remove_a().kind, Kind::kDone); });
  // The slot is given on at once, the objects stay while the worker holds the lease.
  ASSERT_TRUE(publisher_.wait_for<events::v1::NodesReady>(1));
  EXPECT_TRUE(objects_.bytes("ws-a", "adapter/key/1").has_value());
  ASSERT_TRUE((*lease)->release().has_value());
  ASSERT_TRUE(publisher_.wait_for<events::v1::WorkspaceCleaned>(1));
  cleaner.join();
  expect_only_b_is_left();
}

TEST_F(DeletionTest, ADeadWorkersLeaseExpires) {
  ASSERT_TRUE(leases_.put("a", R"({"holder":"dead","counter":3,"released":false})").has_value());
  ASSERT_TRUE(clean_up("a", cleanup(std::chrono::milliseconds(100)), {}).has_value());
  expect_only_b_is_left();
}

TEST_F(DeletionTest, TroubleIsTriedAgainAndNothingIsSaidBefore) {
  for (int i = 0; i < 4; ++i) {
    objects_.fail_next(kNoBus);
    EXPECT_EQ(remove_a().kind, Kind::kRetry);
    EXPECT_TRUE(publisher_.all<events::v1::WorkspaceCleaned>().empty());
  }
  EXPECT_EQ(remove_a().kind, Kind::kDone);
}

TEST_F(DeletionTest, ACleanupThatDoesNotEndIsTold) {
  auto deletion = delivered(about<events::v1::WorkspaceDeleted>(workspace("a")));
  deletion.time = rfc3339(clock_.wall_now() - std::chrono::minutes(9));
  objects_.fail_next(kNoBus);
  EXPECT_EQ(handlers_.on_workspace_deleted(deletion, {}).kind, Kind::kRetry);
  EXPECT_TRUE(publisher_.all<events::v1::NodesPending>().empty());
  deletion.time = rfc3339(clock_.wall_now() - std::chrono::minutes(11));
  for (int i = 0; i < 3; ++i) {
    objects_.fail_next(kNoBus);
    EXPECT_EQ(handlers_.on_workspace_deleted(deletion, {}).kind, Kind::kRetry);
  }
  const auto told = publisher_.all<events::v1::NodesPending>();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].waiting().reason(), "CleanupStuck");
  EXPECT_THAT(told[0].waiting().message(),
              HasSubstr("left: the objects in ws-a, 1 result, 1 plan: BusUnavailable"));
  EXPECT_EQ(handlers_.on_workspace_deleted(deletion, {}).kind, Kind::kDone);
}

TEST_F(DeletionTest, TheEventAloneDeletesNothing) {
  set_current("a", {.generation = 1});
  EXPECT_EQ(remove_a().kind, Kind::kDone);
  EXPECT_TRUE(objects_.bytes("ws-a", "adapter/key/1").has_value());
  EXPECT_TRUE(publisher_.published().empty());
}

TEST_F(HandlersTest, TroubleOfTheBusIsTriedAgain) {
  const auto event = delivered(cleared("a"));
  for (auto* bucket : {&current_, &results_, &inventory_}) {
    bucket->fail_next(kNoBus);
    EXPECT_EQ(handlers_.on_plan_cleared(event, {}).kind, Kind::kRetry);
  }
  publisher_.fail_next(kNoBus);
  EXPECT_EQ(handlers_.on_plan_cleared(event, {}).kind, Kind::kRetry);
  EXPECT_EQ(handlers_.on_plan_cleared(event, {}).kind, Kind::kDone);
  EXPECT_THAT(ready_uids(), ElementsAre("a"));
}

TEST_F(HandlersTest, EventsThatAreNoneAreDead) {
  const bus::IncomingEvent odd{.id = "x", .payload = "\xff"};
  EXPECT_EQ(handlers_.on_plan_cleared(odd, {}).kind, Kind::kDead);
  EXPECT_EQ(handlers_.on_adapter_ready(odd, {}).kind, Kind::kDead);
  EXPECT_EQ(handlers_.on_tuning_failed(odd, {}).kind, Kind::kDead);
  EXPECT_EQ(handlers_.on_plan_rejected(odd, {}).kind, Kind::kDead);
  EXPECT_EQ(handlers_.on_image_pushed(odd, {}).kind, Kind::kDead);
  EXPECT_EQ(handlers_.on_workspace_deleted(odd, {}).kind, Kind::kDead);
}

}  // namespace
}  // namespace tunesmith::provisioner
