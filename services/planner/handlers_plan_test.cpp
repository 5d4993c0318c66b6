// What is planned, and that it is planned once.
#include "planner/handlers_fixture.h"

namespace tunesmith::planner {
namespace {

TEST_F(PlannerTest, PlansWithResolvedModelAndData) {
  EXPECT_EQ(observe(manifest(), "training_config: {DataCollator: {mlm: true}}").kind,
            bus::Disposition::Kind::kDone);
  const auto planned = publisher_.all<events::v1::TuningPlanned>();
  ASSERT_EQ(planned.size(), 1u);
  const auto& plan = planned[0].plan();
  EXPECT_EQ(plan.tuning().model().repository(), "HuggingFaceTB/SmolLM2-135M-Instruct");
  EXPECT_EQ(plan.tuning().model().preset(), "smollm2-135m-instruct");
  EXPECT_NE(plan.tuning().model().revision(), "main");
  EXPECT_EQ(plan.tuning().model().parameters(), 134515008u);
  ASSERT_EQ(plan.tuning().model().files_size(), 3);
  EXPECT_EQ(plan.tuning().model().files(2).path(), "model.safetensors");
  EXPECT_EQ(plan.tuning().model().files(2).size_bytes(), 7u);
  EXPECT_EQ(plan.tuning().model().files(2).sha256().size(), 64u);
  ASSERT_EQ(plan.tuning().data().files_size(), 1);
  EXPECT_EQ(plan.tuning().data().rows(), 50u);
  EXPECT_EQ(plan.tuning().data().layout(), "messages");
  EXPECT_EQ(plan.tuning().data().files(0).path(), "000-train.jsonl");
  EXPECT_EQ(plan.tuning().data().files(0).size_bytes(), fs::file_size(root_ / "www/train.jsonl"));
  EXPECT_FALSE(plan.tuning().data().files(0).etag().empty());
  EXPECT_EQ(plan.tuning_key().size(), 64u);
  EXPECT_EQ(plan.placement().instance_type(), "local");
  EXPECT_EQ(plan.output().image(), "registry.example.org/a:1");
  ASSERT_EQ(plan.notes_size(), 1);  // none about the instance type that v1alpha1 fills in
  EXPECT_THAT(plan.notes(0), HasSubstr("DataCollator.mlm"));
  EXPECT_TRUE(fs::is_empty(root_ / "pieces"));
}

TEST_F(PlannerTest, OfParquetOnlyHeadAndFooterAreFetched) {
  const fs::path fixtures = fs::path(TUNESMITH_TEST_DIR) / "../../gpu/data/testdata";
  fs::copy_file(fixtures / "messages-large.parquet", root_ / "www/large.parquet");
  const json urls{{"tuning", {{"input", {{"urls", {host_->url() + "/large.parquet"}}}}}}};
  observe(manifest(urls));
  const auto planned = publisher_.all<events::v1::TuningPlanned>();
  ASSERT_EQ(planned.size(), 1u);
  const auto& data = planned[0].plan().tuning().data();
  EXPECT_EQ(data.layout(), "messages");
  EXPECT_GT(data.rows(), 0u);
  std::vector<std::string> ranges;
  for (const auto& request : host_->requests()) {
    if (request.path == "/large.parquet") ranges.push_back(request.range);
  }
  const auto last = std::to_string(data.files(0).size_bytes() - 1);
  EXPECT_THAT(ranges, ::testing::ElementsAre("bytes=0-65535", "bytes=0-" + last));
  EXPECT_EQ(data.files(0).size_bytes(), fs::file_size(fixtures / "messages-large.parquet"));
}

TEST_F(PlannerTest, OfALongJsonlTheRowsAreEstimatedFromTheHead) {
  write(root_ / "www/long.jsonl", chat(20'000));
  const json urls{{"tuning", {{"input", {{"urls", {host_->url() + "/long.jsonl"}}}}}}};
  observe(manifest(urls));
  const auto planned = publisher_.all<events::v1::TuningPlanned>();
  ASSERT_EQ(planned.size(), 1u);
  EXPECT_NEAR(static_cast<double>(planned[0].plan().tuning().data().rows()), 20'000, 200);
}

TEST_F(PlannerTest, APlanIsMadeOnceAndRepeatedByteForByte) {
  observe(manifest());
  const auto asked = host_->requests().size();
  write(root_ / "www/train.jsonl", chat(60));  // the world changes, the plan does not
  observe(manifest(), "", 1'700'000'000);
  const auto planned = publisher_.all<events::v1::TuningPlanned>();
  ASSERT_EQ(planned.size(), 2u);
  EXPECT_EQ(planned[1].workspace().pass(), 1'700'000'000);
  EXPECT_EQ(planned[0].plan().SerializeAsString(), planned[1].plan().SerializeAsString());
  EXPECT_EQ(host_->requests().size(), asked);
}

TEST_F(PlannerTest, TheSameQuestionGivesTheSamePlanWhenTheBucketWasLost) {
  observe(manifest());
  const auto first = plans_.value(std::string(kUid) + ".1");
  ASSERT_TRUE(plans_.remove(std::string(kUid) + ".1").has_value());
  publisher_.clear();
  observe(manifest());
  EXPECT_EQ(plans_.value(std::string(kUid) + ".1"), first);
}

TEST_F(PlannerTest, AnotherPlannersPlanWins) {
  events::v1::Plan other;
  other.set_tuning_key("first");
  ASSERT_TRUE(plans_.create(std::string(kUid) + ".1", other.SerializeAsString()).has_value());
  observe(manifest());
  EXPECT_EQ(publisher_.all<events::v1::TuningPlanned>().at(0).plan().tuning_key(), "first");
}

// A refusal for a taken tag is answered by an annotation, which makes no new generation.
TEST_F(PlannerTest, ThePermissionToReplaceIsReadAnewInEachPass) {
  observe(manifest());
  observe(manifest({{"metadata", {{"annotations", {{"tunesmith.dev/replace-tag", "true"}}}}}}), "",
          77);
  auto planned = publisher_.all<events::v1::TuningPlanned>();
  ASSERT_EQ(planned.size(), 2u);
  EXPECT_FALSE(planned[0].plan().output().replace_tag());
  EXPECT_TRUE(planned[1].plan().output().replace_tag());
  EXPECT_EQ(plans_.get(std::string(kUid) + ".1").value()->value,
            planned[1].plan().SerializeAsString());
  auto same = planned[1].plan();
  same.mutable_output()->set_replace_tag(false);
  EXPECT_EQ(same.SerializeAsString(), planned[0].plan().SerializeAsString());
}

TEST_F(PlannerTest, NoPlanStaysOfADeletedWorkspace) {
  observe(manifest());
  ASSERT_TRUE(plans_.value("7b3f.1").has_value());
  set_current({.generation = 1, .deleting = true});
  plans_.fail_next({FailureClass::kTransient, "BusUnavailable", "no answer"});
  EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kRetry);
  EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kDone);
  EXPECT_FALSE(plans_.value("7b3f.1").has_value());
}

}  // namespace
}  // namespace tunesmith::planner
