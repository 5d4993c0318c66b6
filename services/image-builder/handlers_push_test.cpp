// The push: what arrives, once, and what it may overwrite.
#include "image-builder/handlers_fixture.h"

namespace tunesmith::image_builder {
namespace {

TEST_F(HandlersTest, AdapterBecomesAnImageInTheRegistry) {
  store_adapter();
  EXPECT_EQ(ready(), Disposition::Kind::kDone);
  const auto pushed = published_.all<v1::ImagePushed>();
  ASSERT_EQ(pushed.size(), 1u);
  EXPECT_EQ(pushed[0].image(), plan_.output().image());
  EXPECT_EQ(pushed[0].tuning_key(), plan_.tuning_key());
  EXPECT_EQ(pushed[0].adapter().name(), adapter_.name());
  EXPECT_GT(pushed[0].size_bytes(), 200'000u);
  registry::RegistryClient client(http_, clock_, options_.registry,
                                  *workspace::parse_image_reference(plan_.output().image()),
                                  {kUser.name, kUser.password, ""});
  EXPECT_EQ(client.manifest("v1", {}).value()->digest, pushed[0].digest());
  const auto progress = published_.all<v1::ImagePushProgressed>();
  ASSERT_FALSE(progress.empty());
  EXPECT_EQ(progress.back().bytes_done(), pushed[0].size_bytes());
  EXPECT_EQ(progress.back().bytes_total(), pushed[0].size_bytes());
  EXPECT_TRUE(std::filesystem::is_empty(options_.work_dir));
}

// Re-observation announces the adapter again while its first push is under way.
TEST_F(HandlersTest, TwoPushesOfOneWorkspaceDoNotTakeEachOthersFiles) {
  options_.push_limit = 20s;
  store_adapter();
  auto within = Disposition::Kind::kRetry;
  objects_.before_next_get = [&] { within = ready(7); };
  EXPECT_EQ(ready(), Disposition::Kind::kDone);
  EXPECT_EQ(within, Disposition::Kind::kDone);
  EXPECT_EQ(published_.all<v1::ImagePushed>().size(), 2u);
  EXPECT_EQ(published_.all<v1::ImagePushFailed>().size(), 0u);
  EXPECT_TRUE(std::filesystem::is_empty(options_.work_dir));
}

TEST_F(HandlersTest, WhatIsPushedIsAnnouncedAgainWithoutTheAdapter) {
  store_adapter();
  ready(0);
  ASSERT_TRUE(objects_.delete_bucket("ws-uid-1"));
  const int uploads = registry_.logged("POST /v2/");
  EXPECT_EQ(ready(7), Disposition::Kind::kDone);
  const auto pushed = published_.all<v1::ImagePushed>();
  ASSERT_EQ(pushed.size(), 2u);
  EXPECT_EQ(pushed[0].digest(), pushed[1].digest());
  EXPECT_EQ(pushed[0].size_bytes(), pushed[1].size_bytes());
  EXPECT_EQ(registry_.logged("POST /v2/"), uploads);
}

TEST_F(HandlersTest, TagOfAnotherTuningIsNotOverwritten) {
  store_adapter();
  ready(0);
  EXPECT_EQ(plan(1), Disposition::Kind::kDone);
  EXPECT_EQ(published_.all<v1::PlanCleared>().size(), 1u) << "our own key is not taken";
  plan_.set_tuning_key(std::string(64, 'b'));
  plan(2);
  EXPECT_EQ(only_failure<v1::PlanRejected>().reason(), "OutputTagTaken");
  ready(3);
  EXPECT_EQ(only_failure<v1::ImagePushFailed>().reason(), "OutputTagTaken");
}

TEST_F(HandlersTest, ATakenTagIsOverwrittenWhenTheUserAllowsIt) {
  store_adapter(1);
  ready();
  plan_.set_tuning_key(std::string(64, 'b'));
  plan();
  const auto refused = only_failure<v1::PlanRejected>();
  EXPECT_EQ(refused.reason(), "OutputTagTaken");
  EXPECT_THAT(refused.message(), HasSubstr("tunesmith.dev/replace-tag"));
  plan_.mutable_output()->set_replace_tag(true);
  plan(1);
  EXPECT_EQ(published_.all<v1::PlanCleared>().size(), 1u);
  store_adapter(2);
  ready(1);
  const auto pushed = published_.all<v1::ImagePushed>();
  ASSERT_EQ(pushed.size(), 2u);
  EXPECT_NE(pushed[0].digest(), pushed[1].digest());
  ready(2);  // ours by now: nothing is pushed again
  EXPECT_EQ(published_.all<v1::ImagePushed>().back().digest(), pushed[1].digest());
}

TEST_F(HandlersTest, AnotherOutputGetsTheSameImageWithoutTraining) {
  store_adapter();
  ready(0);
  plan_.mutable_output()->set_image(registry_.host() + "/other/place:v2");
  ready(1);
  const auto pushed = published_.all<v1::ImagePushed>();
  ASSERT_EQ(pushed.size(), 2u);
  EXPECT_EQ(pushed[0].digest(), pushed[1].digest());
  EXPECT_EQ(pushed[1].image(), registry_.host() + "/other/place:v2");
}

TEST_F(HandlersTest, LostOrOtherAdapterFailsThePush) {
  store_adapter();
  adapter_.set_sha256(std::string(64, '0'));
  ready(0);
  EXPECT_EQ(only_failure<v1::ImagePushFailed>().reason(), "AdapterInvalid");
  published_.clear();
  adapter_.set_name("gone");
  ready(1);
  EXPECT_EQ(only_failure<v1::ImagePushFailed>().reason(), "AdapterMissing");
}

TEST_F(HandlersTest, AdapterGoesIntoAFolder) {
  options_.allowed_host_paths = {folder_.path() / "allowed"};
  std::filesystem::create_directories(folder_.path() / "allowed");
  const auto out = folder_.path() / "allowed/adapter";
  plan_.mutable_output()->clear_image();
  plan_.mutable_output()->set_volume_path(out.string());
  store_adapter();
  plan();
  EXPECT_EQ(published_.all<v1::PlanCleared>().size(), 1u);
  ready();
  ready(1);
  const auto pushed = published_.all<v1::ImagePushed>();
  ASSERT_EQ(pushed.size(), 2u);
  EXPECT_EQ(pushed[0].image(), "");
  EXPECT_EQ(pushed[0].path(), out.string());
  EXPECT_EQ(pushed[0].digest(), "sha256:" + sha256_hex(bytes_of(out / "tunesmith.json")));
  EXPECT_EQ(pushed[0].digest(), pushed[1].digest());
  EXPECT_EQ(pushed[0].tuning_key(), plan_.tuning_key());
  EXPECT_GT(pushed[0].size_bytes(), 200'000u);
}

}  // namespace
}  // namespace tunesmith::image_builder
