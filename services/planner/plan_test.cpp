#include "planner/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "planner/planned_before.h"
#include "workspace/documents.h"

namespace tunesmith::planner {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

events::v1::WorkspaceObserved observed(const std::string& status = "") {
  events::v1::WorkspaceObserved event;
  event.mutable_workspace()->set_generation(3);
  event.set_manifest_json(workspace::parse_value(R"(
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata: {name: w}
resource: {labelSelector: {matchLabels: {app: a}}, instanceType: Standard_NC6s_v3, count: 2}
tuning:
  preset: {name: SmolLM2-135M-Instruct}
  method: LoRA
  input: {urls: ["https://data.example.org/a/x.jsonl?s=1", "https://data.example.org/b/x.jsonl"]}
  output: {image: "registry.example.org/a:1", imagePushSecret: push}
)")
                              ->dump());
  event.set_status_json(status);
  return event;
}

Facts facts() {
  Facts facts;
  facts.revision = "12fd25f7";
  facts.shape = {.architecture = "llama",
                 .vocab = 100,
                 .hidden = 8,
                 .intermediate = 16,
                 .layers = 2,
                 .heads = 2,
                 .kv_heads = 1,
                 .head_dim = 4};
  for (const char* url :
       {"https://data.example.org/a/x.jsonl?s=1", "https://data.example.org/b/x.jsonl"}) {
    auto& data = facts.data.emplace_back();
    data.file.set_url(url);
    data.inspection = {.rows = 5, .layout = "messages", .estimated_tokens = 100};
  }
  return facts;
}

TEST(Plan, IsAFunctionOfItsArguments) {
  const auto request = read_request(observed(), {});
  ASSERT_TRUE(request.has_value()) << request.error().message;
  const auto plan = make_plan(*request, facts(), {});
  ASSERT_TRUE(plan.has_value()) << plan.error().message;
  EXPECT_EQ(plan->SerializeAsString(), make_plan(*request, facts(), {})->SerializeAsString());
  EXPECT_EQ(plan->tuning().method(), events::v1::TUNING_METHOD_LORA);
  EXPECT_EQ(plan->tuning().data().rows(), 10u);
  EXPECT_EQ(plan->tuning().data().files(0).path(), "000-x.jsonl");
  EXPECT_EQ(plan->tuning().data().files(1).path(), "001-x.jsonl");
  EXPECT_EQ(plan->placement().nodes(), 1u);
  EXPECT_EQ(plan->notes_size(), 2);
  EXPECT_EQ(plan->placement().estimated_seconds(), 0u);  // of an unknown machine
}

TEST(Plan, TellsTheTimeThatTheMachineNeeds) {
  const auto request = read_request(observed(), {});
  ASSERT_TRUE(request.has_value()) << request.error().message;
  const auto plan = make_plan(*request, facts(), {.speed = {.flops_per_second = 1'000}});
  ASSERT_TRUE(plan.has_value()) << plan.error().message;
  EXPECT_GT(plan->placement().estimated_seconds(), 100u);
  EXPECT_EQ(plan->placement().estimated_cost_usd(), 0);
}

TEST(Plan, AChangeOfTheOutputKeepsTheTuningKey) {
  auto request = *read_request(observed(), {});
  const auto before = make_plan(request, facts(), {});
  request.workspace.tuning->output.image = "registry.example.org/a:2";
  const auto after = make_plan(request, facts(), {});
  EXPECT_EQ(before->tuning_key(), after->tuning_key());
  EXPECT_NE(before->output().image(), after->output().image());
}

TEST(Plan, FilesOfDifferentLayoutAreRefused) {
  auto found = facts();
  found.data[1].inspection.layout = "text";
  const auto plan = make_plan(*read_request(observed(), {}), found, {});
  EXPECT_EQ(plan.error().reason, "MixedLayouts");
  EXPECT_THAT(plan.error().message, HasSubstr("https://data.example.org/b/x.jsonl"));
}

TEST(Plan, ARetiredInstanceIsAdmittedOrRefusedAsTheOperatorSays) {
  workspace::ValidationOptions options{.nodes = workspace::NodeSource::kProvisioned};
  const auto admitted = read_request(observed(), options);
  ASSERT_TRUE(admitted.has_value());
  EXPECT_THAT(admitted->notes.at(0), HasSubstr("is retired"));
  options.replace_retired_instances = false;
  EXPECT_EQ(read_request(observed(), options).error().reason, "WorkspaceInvalid");
}

TEST(PlannedBefore, IsWhatTheStatusOfThisGenerationAccepted) {
  const auto status = [](int generation, const char* accepted) {
    return json{
        {"conditions",
         {{{"type", "PlanAccepted"}, {"status", accepted}, {"observedGeneration", generation}}}},
        {"plan", {{"modelRevision", "abcdef12"}, {"instanceType", "local"}}}}
        .dump();
  };
  ASSERT_TRUE(planned_before(status(3, "True"), 3));
  EXPECT_EQ(planned_before(status(3, "True"), 3)->model_revision, "abcdef12");
  EXPECT_EQ(planned_before(status(3, "True"), 3)->instance_type, "local");
  EXPECT_FALSE(planned_before(status(2, "True"), 3));
  EXPECT_FALSE(planned_before(status(3, "False"), 3));
  for (const char* odd :
       {"", "[]", "{\"conditions\":[3]}", "{\"conditions\":[{\"type\":1}]}", "not json"}) {
    EXPECT_FALSE(planned_before(odd, 3)) << odd;
  }
}

// The bucket of plans was lost, and the first file was changed since: same plan, same key.
TEST(PlannedBefore, GivesTheSamePlanThoughTheDataWentOn) {
  const auto request = *read_request(observed(), {});
  Facts then = facts();
  then.data[0].file.set_etag("\"v1\"");
  then.data[0].file.set_size_bytes(10);
  then.data[1].file.set_sha256("ab");
  const auto plan = *make_plan(request, then, {});
  json data = json::array();
  for (const auto& file : plan.tuning().data().files()) {
    data.push_back({{"url", redact_url(file.url())},
                    {"etag", file.etag()},
                    {"sha256", file.sha256()},
                    {"sizeBytes", file.size_bytes()}});
  }
  const json status = {
      {"conditions", {{{"type", "PlanAccepted"}, {"status", "True"}, {"observedGeneration", 3}}}},
      {"plan", {{"modelRevision", then.revision}, {"instanceType", "local"}, {"data", data}}}};
  Facts now = facts();
  now.data[0].file.set_etag("\"v2\"");
  now.data[0].file.set_size_bytes(11);
  EXPECT_NE(make_plan(request, now, {})->tuning_key(), plan.tuning_key());
  restore(*planned_before(status.dump(), 3), now);
  EXPECT_EQ(make_plan(request, now, {})->SerializeAsString(), plan.SerializeAsString());

  // Another file in its place is no part of that plan.
  Facts other = facts();
  other.data[0].file.set_url("https://data.example.org/other.jsonl");
  restore(*planned_before(status.dump(), 3), other);
  EXPECT_EQ(other.data[0].file.etag(), "");
}

}  // namespace
}  // namespace tunesmith::planner
