// The check before training: may the output be written?
#include "image-builder/handlers_fixture.h"

namespace tunesmith::image_builder {
namespace {

TEST_F(HandlersTest, WritableOutputClearsThePlan) {
  EXPECT_EQ(plan(), Disposition::Kind::kDone);
  const auto cleared = published_.all<v1::PlanCleared>();
  ASSERT_EQ(cleared.size(), 1u);
  EXPECT_EQ(cleared[0].plan().SerializeAsString(), plan_.SerializeAsString());
  EXPECT_TRUE(published_.all<v1::PlanRejected>().empty());
}

TEST_F(HandlersTest, WrongPasswordRejectsThePlanAtOnce) {
  write_secret("wr0ng");
  EXPECT_EQ(plan(), Disposition::Kind::kDone);
  const auto failure = only_failure<v1::PlanRejected>();
  EXPECT_EQ(failure.reason(), "PushDenied");
  EXPECT_EQ(failure.class_(), v1::FAILURE_CLASS_PERMANENT);
  EXPECT_THAT(failure.message(), HasSubstr("repository:team/adapter:pull,push"));
  EXPECT_TRUE(published_.all<v1::ImagePushProgressed>().empty()) << "it retried";
}

TEST_F(HandlersTest, UnreadableReferenceOrSecretRejectsThePlan) {
  plan_.mutable_output()->set_image("Registry/Team:");
  plan(1);
  plan_.mutable_output()->set_image(registry_.host() + "/team/adapter:v1");
  plan_.mutable_output()->set_image_push_secret("../push");
  plan(2);
  const auto rejected = published_.all<v1::PlanRejected>();
  ASSERT_EQ(rejected.size(), 2u);
  EXPECT_EQ(rejected[0].failure().reason(), "ImageReferenceInvalid");
  EXPECT_EQ(rejected[1].failure().reason(), "SecretInvalid");
}

TEST_F(HandlersTest, AFolderThatIsNotAllowedIsRefusedBeforeTraining) {
  plan_.mutable_output()->clear_image();
  plan_.mutable_output()->set_volume_path((folder_.path() / "x").string());
  plan();
  EXPECT_EQ(only_failure<v1::PlanRejected>().reason(), "OutputPathNotAllowed");
}

TEST_F(HandlersTest, BusTroubleGivesTheEventBack) {
  current_.fail_next({FailureClass::kTransient, "BusUnavailable", "away"});
  EXPECT_EQ(plan(), Disposition::Kind::kRetry);
  published_.fail_next({FailureClass::kTransient, "BusUnavailable", "away"});
  EXPECT_EQ(plan(), Disposition::Kind::kRetry);
  EXPECT_EQ(plan(), Disposition::Kind::kDone);
  EXPECT_EQ(published_.all<v1::PlanCleared>().size(), 1u);
}

TEST_F(HandlersTest, UndecodableEventsAreDead) {
  bus::IncomingEvent incoming;
  incoming.payload = "\xff\xff";
  EXPECT_EQ(handlers().on_tuning_planned(incoming, {}).kind, Disposition::Kind::kDead);
  EXPECT_EQ(handlers().on_adapter_ready(incoming, {}).kind, Disposition::Kind::kDead);
}

TEST_F(HandlersTest, WhatNoLongerCountsIsDropped) {
  store_adapter();
  for (const bus::Current& current :
       {generation(2), generation(1, true), generation(1, false, true)}) {
    set_current(current);
    EXPECT_EQ(plan(), Disposition::Kind::kDone);
    EXPECT_EQ(ready(), Disposition::Kind::kDone);
  }
  EXPECT_TRUE(published_.published().empty());
  EXPECT_EQ(registry_.logged("/v2/team"), 0);
}

}  // namespace
}  // namespace tunesmith::image_builder
