#include "cli/plan_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/manifest_check.h"
#include "planner/smollm2_shape.h"
#include "workspace/documents.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

planner::TuningRequest request() {
  const auto object = workspace::parse_value(R"(
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata: {name: w, namespace: team}
resource: {labelSelector: {matchLabels: {app: a}}, instanceType: t}
tuning:
  preset: {name: smollm2-135m-instruct}
  method: qlora
  input: {urls: ["https://data.example.org/x.jsonl?sig=SECRET"]}
  output: {image: "registry.example.org/a:1", imagePushSecret: push}
)");
  auto read = planner::read_request(observed_of(*object, nullptr), {});
  if (!read) throw std::runtime_error(read.error().message);
  return *std::move(read);
}

planner::Facts facts() {
  planner::Facts facts;
  facts.revision = "12fd25f7";
  facts.license = "apache-2.0";
  facts.shape = planner::kSmolLm2;
  facts.model_files.emplace_back().set_size_bytes(269'060'552);
  auto& data = facts.data.emplace_back();
  data.file.set_url("https://data.example.org/x.jsonl?sig=SECRET");
  data.file.set_size_bytes(1'234'567);
  data.inspection = {.rows = 1'600, .layout = "messages", .estimated_tokens = 60'563};
  return facts;
}

const planner::Inventory kMachine{
    .placement = "local",
    .memory_bytes = 8ull << 30,
    .speed = {.flops_per_second = 0.7e12, .name = "2 cores of the CPU, bf16 in AVX-512"}};

json report() {
  const auto plan = planner::make_plan(request(), facts(), kMachine);
  if (!plan) throw std::runtime_error(plan.error().message);
  return plan_report(request(), facts(), *plan, kMachine);
}

TEST(PlanText, TellsWhatATrainingWouldTake) {
  EXPECT_EQ(plan_text(report(), Style(false)),
            R"(Workspace:   team/w
Runs on:     this machine, 2 cores of the CPU, bf16 in AVX-512
Model:       HuggingFaceTB/SmolLM2-135M-Instruct, 134 M parameters
Revision:    12fd25f7
Licence:     apache-2.0
Download:    257 MiB of model files, once
Data:        https://data.example.org/x.jsonl, 1.2 MiB, 1 600 rows, about 60 563 tokens of text, layout messages
Training:    qlora, about 4 800 steps, about 277 689 tokens
Memory:      about 754 MiB of 8.0 GiB
Time:        about 3m44s of training on an idle machine
Cost:        0 USD: nothing is bought for this machine
Output:      registry.example.org/a:1, pushed with the secret push; the right to push is checked when it is applied
Note:        resource.instanceType 't' is ignored: this machine does the work
)");
}

TEST(PlanText, TheReportHasTheStatussNamesAndNoQuery) {
  const json told = report();
  EXPECT_EQ(told["refused"], nullptr);
  EXPECT_EQ(told["plan"]["instanceType"], "local");
  EXPECT_EQ(told["plan"]["estimatedCost"], 0.0);
  EXPECT_GT(told["plan"]["estimatedSeconds"], 10);
  EXPECT_EQ(told["plan"]["model"]["license"], "apache-2.0");
  EXPECT_EQ(told["plan"]["data"][0]["url"], "https://data.example.org/x.jsonl");
  EXPECT_EQ(told.dump().find("SECRET"), std::string::npos);
}

TEST(PlanText, ARefusalSaysWhatToDo) {
  const json refused =
      refusal_report("default", "w", {FailureClass::kPermanent, "MemoryTooSmall", "needs 9 GiB"});
  const std::string text = plan_text(refused, Style(false));
  EXPECT_THAT(text, HasSubstr("Refused:      MemoryTooSmall: needs 9 GiB\n"));
  EXPECT_THAT(text, HasSubstr("What to do:   follow the message\n"));
}

}  // namespace
}  // namespace tunesmith::cli
