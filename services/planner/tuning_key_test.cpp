#include "planner/tuning_key.h"

#include <gtest/gtest.h>

#include <functional>

#include "workspace/training_config.h"

namespace tunesmith::planner {
namespace {

events::v1::TuningPlan example() {
  events::v1::TuningPlan plan;
  plan.set_method(events::v1::TUNING_METHOD_QLORA);
  plan.mutable_model()->set_repository("org/model");
  plan.mutable_model()->set_revision("12fd25f7");
  auto& by_digest = *plan.mutable_data()->add_files();
  by_digest.set_url("https://example.org/a.parquet?sig=1");
  by_digest.set_sha256("5af5");
  auto& by_tag = *plan.mutable_data()->add_files();
  by_tag.set_url("https://example.org/\xc3\xa9.jsonl?sig=2");
  by_tag.set_etag("\"v1\"");
  *plan.mutable_hyper_parameters() =
      workspace::default_hyper_parameters(events::v1::TUNING_METHOD_QLORA);
  plan.set_numerics_version(1);
  return plan;
}

TEST(TuningKey, TheCanonicalFormIsAsWritten) {
  EXPECT_EQ(canonical_form(example()), R"(tuning_key_version=1
numerics_version=1
method="qlora"
model_repository="org/model"
model_revision="12fd25f7"
data="sha256:5af5"
data="etag:https://example.org/\u00e9.jsonl \"v1\""
lora_rank=8
lora_alpha=8
lora_dropout=0
use_rslora=false
double_quantization=true
num_train_epochs=3
max_steps=0
per_device_train_batch_size=1
gradient_accumulation_steps=1
learning_rate=5e-05
lr_scheduler_type="linear"
warmup_steps=0
warmup_ratio=0
weight_decay=0
adam_beta1=0.9
adam_beta2=0.999
adam_epsilon=1e-08
max_grad_norm=1
seed=42
gradient_checkpointing=false
shuffle_dataset=true
train_test_split=1
max_seq_length=2048
packing=false
assistant_only_loss=true
)");
}

TEST(TuningKey, Golden) {
  // sha256sum of the text above. It changes only with a new tuning_key_version.
  EXPECT_EQ(tuning_key(example()),
            "e427ec46ba5972d3bdcc08a7290bfe257b00516476237c1cdc3503bea7995744");
}

TEST(TuningKey, WhatDoesNotChangeTheAdapterDoesNotChangeTheKey) {
  auto plan = example();
  plan.mutable_model()->set_preset("p");
  plan.mutable_data()->mutable_files(0)->set_url("https://elsewhere.example.org/b");
  plan.mutable_data()->mutable_files(1)->set_url("https://example.org/\xc3\xa9.jsonl?sig=3");
  plan.mutable_hyper_parameters()->set_logging_steps(100);
  plan.mutable_hyper_parameters()->set_eval_steps(100);
  EXPECT_EQ(tuning_key(plan), tuning_key(example()));
}

TEST(TuningKey, DataInImagesAndOnVolumesIsNamedByItsContent) {
  auto plan = example();
  plan.mutable_data()->clear_files();
  auto& image = *plan.mutable_data()->mutable_image();
  image.set_image("registry.example/team/data:v1");
  image.set_digest("sha256:77aa");
  EXPECT_NE(canonical_form(plan).find("model_revision=\"12fd25f7\"\n"
                                      "data=\"image:sha256:77aa\"\n"
                                      "lora_rank=8\n"),
            std::string::npos);
  auto moved = plan;
  moved.mutable_data()->mutable_image()->set_image("elsewhere.example/data:v2");
  moved.mutable_data()->mutable_image()->add_pull_secrets("pull");
  EXPECT_EQ(tuning_key(moved), tuning_key(plan));

  plan.mutable_data()->clear_image();
  plan.mutable_data()->mutable_volume()->set_path("/data");
  for (const char* digest : {"5af5", "6bf6"}) {
    auto& file = *plan.mutable_data()->mutable_volume()->add_files();
    file.set_path(std::string(digest) + ".jsonl");
    file.set_sha256(digest);
  }
  EXPECT_NE(canonical_form(plan).find("data=\"sha256:5af5\"\ndata=\"sha256:6bf6\"\nlora_rank"),
            std::string::npos);
}

TEST(TuningKey, TheOrderOfModulesDoesNotCount) {
  auto one = example();
  auto other = example();
  for (const char* name : {"v_proj", "q_proj"}) {
    one.mutable_hyper_parameters()->add_target_modules(name);
  }
  for (const char* name : {"q_proj", "v_proj"}) {
    other.mutable_hyper_parameters()->add_target_modules(name);
  }
  EXPECT_EQ(tuning_key(one), tuning_key(other));
  EXPECT_NE(tuning_key(one), tuning_key(example()));
}

TEST(TuningKey, WhatChangesTheAdapterChangesTheKey) {
  const std::vector<std::function<void(events::v1::TuningPlan&)>> changes{
      [](auto& plan) { plan.set_method(events::v1::TUNING_METHOD_LORA); },
      [](auto& plan) { plan.set_numerics_version(2); },
      [](auto& plan) { plan.mutable_model()->set_revision("other"); },
      [](auto& plan) { plan.mutable_data()->mutable_files(0)->set_sha256("other"); },
      [](auto& plan) { plan.mutable_data()->mutable_files(1)->set_etag("\"v2\""); },
      [](auto& plan) { plan.mutable_data()->mutable_files()->SwapElements(0, 1); },
      [](auto& plan) { plan.mutable_hyper_parameters()->set_seed(43); },
      [](auto& plan) { plan.mutable_hyper_parameters()->set_learning_rate(5.1e-5); },
      [](auto& plan) { plan.mutable_hyper_parameters()->set_packing(true); },
  };
  for (const auto& change : changes) {
    auto plan = example();
    change(plan);
    EXPECT_NE(tuning_key(plan), tuning_key(example()));
  }
}

}  // namespace
}  // namespace tunesmith::planner
