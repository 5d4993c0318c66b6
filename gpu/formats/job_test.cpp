#include "formats/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "formats/test_folder.h"

namespace tunesmith::engine {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json hyper_parameters() {
  return {{"lora_rank", 16},
          {"lora_alpha", 32},
          {"lora_dropout", 0.05},
          {"use_rslora", false},
          {"target_modules", {"q_proj"}},
          {"double_quantization", true},
          {"num_train_epochs", 3},
          {"max_steps", 0},
          {"per_device_train_batch_size", 2},
          {"gradient_accumulation_steps", 4},
          {"learning_rate", 2e-4},
          {"lr_scheduler_type", "cosine"},
          {"warmup_steps", 0},
          {"warmup_ratio", 0.1},
          {"weight_decay", 0.01},
          {"adam_beta1", 0.9},
          {"adam_beta2", 0.95},
          {"adam_epsilon", 1e-8},
          {"max_grad_norm", 1.0},
          {"seed", 7},
          {"gradient_checkpointing", true},
          {"logging_steps", 10},
          {"eval_steps", 0},
          {"per_device_eval_batch_size", 1},
          {"shuffle_dataset", true},
          {"train_test_split", 0.9},
          {"max_seq_length", 1024},
          {"packing", false},
          {"assistant_only_loss", true}};
}

json job() {
  return {{"model_dir", "/models/m"},
          {"model_name", "org/m"},
          {"data", {"a.jsonl", "b.parquet"}},
          {"work_dir", "/jobs/1"},
          {"resume_from", ""},
          {"checkpoint_interval_seconds", 300},
          {"method", "qlora"},
          {"device", "cpu"},
          {"threads", 2},
          {"hyper_parameters", hyper_parameters()}};
}

Result<Job> read(const json& value) {
  const TestFolder folder;
  return read_job(folder.write("job.json", value.dump()));
}

std::string complaint(const json& value) {
  const auto read_value = read(value);
  if (read_value) return "accepted";
  EXPECT_EQ(read_value.error().reason, "JobInvalid");
  return read_value.error().message;
}

json with(const char* pointer, const json& value) {
  json changed = job();
  changed[json::json_pointer(pointer)] = value;
  return changed;
}

TEST(Job, IsReadWhole) {
  const auto read_value = read(job());
  ASSERT_TRUE(read_value) << read_value.error().message;
  EXPECT_EQ(read_value->model_dir, "/models/m");
  EXPECT_THAT(read_value->data, ElementsAre("a.jsonl", "b.parquet"));
  EXPECT_EQ(read_value->method, Method::kQlora);
  EXPECT_EQ(read_value->compute, Compute::kAuto);
  EXPECT_EQ(read_value->threads, 2);
  EXPECT_TRUE(read_value->initial_adapter.empty());
  const HyperParameters& hyper = read_value->hyper_parameters;
  EXPECT_EQ(hyper.lora_rank, 16U);
  EXPECT_EQ(hyper.adam_beta2, 0.95);
  EXPECT_EQ(hyper.lr_scheduler_type, "cosine");
  EXPECT_EQ(hyper.train_test_split, 0.9);
  EXPECT_EQ(hyper.max_seq_length, 1024U);
  EXPECT_THAT(hyper.target_modules, ElementsAre("q_proj"));
}

TEST(Job, TheOptionalKeysMayBeThereToo) {
  json value = with("/compute", "fp32");
  value["initial_adapter"] = "/adapters/a";
  value.erase("resume_from");
  const auto read_value = read(value);
  ASSERT_TRUE(read_value) << read_value.error().message;
  EXPECT_EQ(read_value->compute, Compute::kFp32);
  EXPECT_EQ(read_value->initial_adapter, "/adapters/a");
}

TEST(Job, SixtyFourBitNumbersMayBeTextAsProtobufWritesThem) {
  EXPECT_EQ(read(with("/hyper_parameters/seed", "18446744073709551615"))->hyper_parameters.seed,
            UINT64_MAX);
  EXPECT_THAT(complaint(with("/hyper_parameters/seed", "12x")), HasSubstr("seed"));
  EXPECT_THAT(complaint(with("/hyper_parameters/seed", "")), HasSubstr("seed"));
  EXPECT_THAT(complaint(with("/hyper_parameters/seed", -1)), HasSubstr("seed"));
}

TEST(Job, UnknownKeysAreRefusedWithTheNearestKnownOne) {
  EXPECT_THAT(complaint(with("/work_dri", "x")),
              HasSubstr("'work_dri' is not known; the nearest known key is 'work_dir'"));
  EXPECT_THAT(
      complaint(with("/hyper_parameters/lora_r", 8)),
      HasSubstr("'hyper_parameters.lora_r' is not known; the nearest known key is 'lora_rank'"));
}

TEST(Job, EveryHyperParameterMustBeGiven) {
  const json all = hyper_parameters();
  for (const auto& [key, value] : all.items()) {
    json missing = job();
    missing["hyper_parameters"].erase(key);
    EXPECT_THAT(complaint(missing), HasSubstr("'hyper_parameters." + key + "' is missing"));
  }
}

TEST(Job, TopLevelKeysMustBeGiven) {
  for (const char* key :
       {"model_dir", "model_name", "data", "work_dir", "checkpoint_interval_seconds", "method",
        "device", "threads", "hyper_parameters"}) {
    json missing = job();
    missing.erase(key);
    EXPECT_THAT(complaint(missing), HasSubstr(std::string("'") + key + "' is missing"));
  }
}

TEST(Job, ValuesOutOfRangeAreNamed) {
  const std::vector<std::pair<const char*, json>> wrong = {
      {"/hyper_parameters/lora_rank", 0},
      {"/hyper_parameters/lora_alpha", 0},
      {"/hyper_parameters/lora_dropout", 1},
      {"/hyper_parameters/train_test_split", 0},
      {"/hyper_parameters/warmup_ratio", 1.5},
      {"/hyper_parameters/lr_scheduler_type", "exponential"},
      {"/hyper_parameters/max_seq_length", 0},
      {"/hyper_parameters/packing", "yes"},
      {"/hyper_parameters/target_modules", {1}},
      {"/hyper_parameters/learning_rate", "fast"},
      {"/hyper_parameters/adam_beta1", 1},
      {"/hyper_parameters/lora_rank", 4294967297},
      {"/method", "full"},
      {"/device", "tpu"},
      {"/compute", "int8"},
      {"/threads", -1},
      {"/data", json::array()},
      {"/model_dir", ""},
      {"/hyper_parameters", json::array()}};
  for (const auto& [pointer, value] : wrong) {
    const std::string key = std::string(pointer).substr(std::string(pointer).rfind('/') + 1);
    EXPECT_THAT(complaint(with(pointer, value)), HasSubstr(key)) << value;
  }
}

TEST(Job, FilesThatAreNoJob) {
  const TestFolder folder;
  EXPECT_EQ(read_job(folder / "absent").error().reason, "JobInvalid");
  EXPECT_EQ(read_job(folder.write("a", "{\"x\":")).error().reason, "JobInvalid");
  EXPECT_EQ(read_job(folder.write("b", "7")).error().reason, "JobInvalid");
}

}  // namespace
}  // namespace tunesmith::engine
