// What is waited for, and what ends the wait.
#include <thread>

#include "planner/handlers_fixture.h"

namespace tunesmith::planner {
namespace {

TEST_F(PlannerTest, TransientTroubleIsTriedAgain) {
  be_unavailable(3);
  observe(manifest());
  EXPECT_EQ(publisher_.all<events::v1::TuningPlanned>().size(), 1u);
}

TEST_F(PlannerTest, WhatIsWaitedForIsToldOncePerReason) {
  tunesmith::testing::Fault hub, data;
  hub.path = "*";  // it is asked first
  data.path = "/train.jsonl";
  hub.status = data.status = 503;
  hub.times = 2;
  data.times = 3;
  host_->set_faults({hub, data});
  observe(manifest(), "", 7);
  const auto pending = publisher_.all<events::v1::PlanPending>();
  ASSERT_EQ(pending.size(), 2u);
  EXPECT_EQ(pending[0].waiting().reason(), "ModelHubUnavailable");
  EXPECT_EQ(pending[1].waiting().reason(), "DataHostUnavailable");
  EXPECT_EQ(pending[1].workspace().pass(), 7);
  EXPECT_LT(pending[0].sequence(), pending[1].sequence());
  EXPECT_EQ(publisher_.published().back().token, "tuning-planned");
}

TEST_F(PlannerTest, TransientTroubleEndsAtTheDeadlineWithItsReason) {
  preflight_limit_ = std::chrono::milliseconds(100);
  be_unavailable();
  observe(manifest());
  const auto failure = rejection();
  EXPECT_EQ(failure.reason(), "ModelHubUnavailable");
  EXPECT_EQ(failure.class_(), events::v1::FAILURE_CLASS_TRANSIENT);
}

// The waits are those of the product, the clock is the test's.
class ByTheClockTest : public PlannerTest {
 protected:
  void SetUp() override {
    PlannerTest::SetUp();
    handlers_.emplace(parts(time_));
  }
  static events::v1::WorkspaceObserved observed(const json& object) {
    events::v1::WorkspaceObserved event;
    event.mutable_workspace()->set_uid(kUid);
    event.mutable_workspace()->set_generation(1);
    event.set_manifest_json(object.dump());
    return event;
  }
  // Tried once.
  bus::Disposition handle(const events::v1::WorkspaceObserved& event) {
    return handlers_->on_workspace_observed(fakes::delivered(bus::make_event(event)), {});
  }
  ManualClock time_;
  std::optional<Handlers> handlers_;
};

class MissingSecretTest : public ByTheClockTest {
 protected:
  MissingSecretTest() { secrets_dir_ = root_ / "secrets"; }
  bus::Disposition observe_secret() {
    const json named{{"metadata", {{"annotations", {{"tunesmith.dev/data-secret", "late"}}}}}};
    return handle(observed(manifest(named)));
  }
};

TEST_F(MissingSecretTest, IsLookedForAgainWhileOnlyTheEventIsHeld) {
  for (int i = 0; i < 3; ++i) {
    const auto later = observe_secret();
    EXPECT_EQ(later.kind, bus::Disposition::Kind::kRetry);
    EXPECT_LE(later.delay, std::chrono::seconds(12));
  }
  const auto pending = publisher_.all<events::v1::PlanPending>();
  ASSERT_EQ(pending.size(), 1u) << "told once";
  EXPECT_EQ(pending[0].waiting().reason(), "SecretMissing");
  EXPECT_THAT(pending[0].waiting().message(), HasSubstr("default/late"));
  write(root_ / "secrets/default/late", R"({"token": "abc"})");
  fs::permissions(root_ / "secrets/default/late", fs::perms::owner_read);
  EXPECT_EQ(observe_secret().kind, bus::Disposition::Kind::kDone);
  EXPECT_EQ(publisher_.all<events::v1::TuningPlanned>().size(), 1u);
}

TEST_F(MissingSecretTest, ThatDoesNotComeRejectsThePlanAfterTenMinutes) {
  EXPECT_EQ(observe_secret().kind, bus::Disposition::Kind::kRetry);
  time_.advance(std::chrono::minutes(10));
  EXPECT_EQ(observe_secret().kind, bus::Disposition::Kind::kDone);
  EXPECT_EQ(rejection().reason(), "SecretMissing");
}

class PlannerWaitTest : public ByTheClockTest {
 protected:
  bus::Disposition observe_without(std::int64_t pass) {
    auto event = observed(manifest());
    event.mutable_workspace()->set_pass(pass);
    event.set_training_config_problem("the ConfigMap 'params' does not exist");
    return handle(event);
  }
};

TEST_F(PlannerWaitTest, AMissingConfigMapIsWaitedForTenMinutesVisiblyThenToldInTheWatchersWords) {
  const auto later = observe_without(0);
  EXPECT_EQ(later.kind, bus::Disposition::Kind::kRetry);
  const auto pending = publisher_.all<events::v1::PlanPending>();
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_EQ(pending[0].waiting().reason(), "TrainingConfigMissing");
  EXPECT_EQ(pending[0].waiting().class_(), events::v1::FAILURE_CLASS_TRANSIENT);
  time_.advance(std::chrono::minutes(9));
  EXPECT_EQ(observe_without(0).kind, bus::Disposition::Kind::kRetry);
  EXPECT_EQ(later.delay, std::chrono::minutes(10));
  time_.advance(std::chrono::minutes(1));
  EXPECT_EQ(observe_without(0).kind, bus::Disposition::Kind::kDone);
  EXPECT_EQ(rejection().reason(), "TrainingConfigMissing");
  EXPECT_EQ(rejection().message(), "the ConfigMap 'params' does not exist");
}

// However many hubs are dead: no thread waits for them, the event does.
TEST_F(PlannerWaitTest, ADeadHubIsTriedForTenMinutesByTheClock) {
  be_unavailable();
  const auto event = fakes::delivered(bus::make_event(observed(manifest())));
  std::chrono::milliseconds waited{0};
  while (true) {
    const auto said = handlers_->on_workspace_observed(event, {});
    if (said.kind != bus::Disposition::Kind::kRetry) break;
    time_.advance(said.delay);
    waited += said.delay;
  }
  EXPECT_EQ(waited, std::chrono::minutes(10));
  EXPECT_EQ(rejection().reason(), "ModelHubUnavailable");
  EXPECT_EQ(publisher_.all<events::v1::PlanPending>().size(), 1u);
}

TEST_F(PlannerWaitTest, AConfigMapThatCameIsAPassOfItsOwnAndEndsTheWait) {
  EXPECT_EQ(observe_without(0).kind, bus::Disposition::Kind::kRetry);
  EXPECT_EQ(observe(manifest(), "training_config: {}", 1).kind, bus::Disposition::Kind::kDone);
  time_.advance(std::chrono::minutes(10));
  EXPECT_EQ(observe_without(0).kind, bus::Disposition::Kind::kDone);
  EXPECT_TRUE(publisher_.all<events::v1::PlanRejected>().empty());
}

TEST_F(PlannerTest, WhatNoLongerCountsIsDropped) {
  for (const bus::Current& current :
       {bus::Current{.generation = 2}, bus::Current{.generation = 1, .deleting = true},
        bus::Current{.generation = 1, .suspended = true}}) {
    set_current(current);
    EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kDone);
  }
  EXPECT_TRUE(publisher_.published().empty());
  EXPECT_TRUE(host_->requests().empty());
}

TEST_F(PlannerTest, ADeletionEndsAPreflightThatWaits) {
  be_unavailable();
  std::jthread deleter([&](const std::stop_token& stop) {
    while (host_->requests().size() < 2 && !stop.stop_requested()) {
      std::this_thread::yield();
    }
    ASSERT_TRUE(plans_.put("7b3f.1", "stored after the clean-up").has_value());
    set_current({.generation = 1, .deleting = true});
  });
  EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kDone);
  EXPECT_TRUE(publisher_.all<events::v1::TuningPlanned>().empty());
  EXPECT_TRUE(publisher_.all<events::v1::PlanRejected>().empty());
  EXPECT_FALSE(plans_.value("7b3f.1").has_value());
}

TEST_F(PlannerTest, AStopHandsBack) {
  be_unavailable();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(observe(manifest(), "", 0, "", stop.get_token()).kind,
            bus::Disposition::Kind::kHandBack);
  EXPECT_TRUE(publisher_.published().empty());
}

TEST_F(PlannerTest, ABusThatDoesNotAnswerIsTriedAgain) {
  plans_.fail_next({FailureClass::kTransient, "BusUnavailable", "no answer"});
  EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kRetry);
  publisher_.fail_next({FailureClass::kTransient, "BusUnavailable", "no answer"});
  EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kRetry);
  EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kDone);
  EXPECT_EQ(publisher_.all<events::v1::TuningPlanned>().size(), 1u);
}

TEST_F(PlannerTest, AFileIsNotToBlameForAnInspectionThatTookTooLong) {
  write(root_ / "slow", "#!/bin/sh\nexec sleep 600\n");
  fs::permissions(root_ / "slow", fs::perms::owner_all);
  const Inspector slow((root_ / "slow").string(), root_);
  const auto failure = slow.files({root_ / "x"}, std::chrono::milliseconds(50), {}).error();
  EXPECT_EQ(failure.reason, "TimedOut");
  EXPECT_EQ(failure.failure_class, FailureClass::kTransient);
}

}  // namespace
}  // namespace tunesmith::planner
