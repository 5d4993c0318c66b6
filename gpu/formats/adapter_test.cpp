#include "formats/adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "formats/safetensors.h"
#include "formats/test_folder.h"

namespace tunesmith::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

Adapter sample() {
  Adapter adapter;
  adapter.config = {.base_model_name_or_path = "org/model",
                    .r = 2,
                    .lora_alpha = 32,
                    .lora_dropout = 0.05,
                    .use_rslora = false,
                    .target_modules = {"v_proj", "q_proj"}};
  adapter.modules.push_back(
      {"model.layers.0.self_attn.q_proj", 3, 4, {1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6, 7, 8}});
  adapter.modules.push_back({"model.layers.0.self_attn.v_proj", 3, 1, {6, 5, 4, 3, 2, 1}, {9, 10}});
  return adapter;
}

std::vector<std::string> names_in(const std::filesystem::path& dir) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(dir))
    names.push_back(entry.path().filename());
  return names;
}

TEST(Adapter, WhatIsWrittenIsRead) {
  const TestFolder folder;
  ASSERT_TRUE(write_adapter(folder / "adapter", sample()));
  const auto adapter = read_adapter(folder / "adapter");
  ASSERT_TRUE(adapter) << adapter.error().message;
  EXPECT_EQ(adapter->config.r, 2);
  EXPECT_EQ(adapter->config.lora_alpha, 32);
  EXPECT_EQ(adapter->config.base_model_name_or_path, "org/model");
  EXPECT_THAT(adapter->config.target_modules, ElementsAre("q_proj", "v_proj"));
  ASSERT_EQ(adapter->modules.size(), 2U);
  EXPECT_EQ(adapter->modules[1].path, "model.layers.0.self_attn.v_proj");
  EXPECT_EQ(adapter->modules[1].out_features, 1);
  EXPECT_EQ(adapter->modules[0].in_features, 3);
  EXPECT_EQ(adapter->modules[0].a, sample().modules[0].a);
  EXPECT_EQ(adapter->modules[0].b, sample().modules[0].b);
}

TEST(Adapter, TheFolderIsWhatPeftAndVllmExpect) {
  const TestFolder folder;
  ASSERT_TRUE(write_adapter(folder / "adapter", sample()));
  EXPECT_THAT(names_in(folder / "adapter"),
              UnorderedElementsAre("adapter_config.json", "adapter_model.safetensors"));
  const auto config = nlohmann::json::parse(read_all(folder / "adapter/adapter_config.json"));
  EXPECT_EQ(config["peft_type"], "LORA");
  EXPECT_EQ(config["task_type"], "CAUSAL_LM");
  EXPECT_EQ(config["bias"], "none");
  EXPECT_EQ(config["lora_alpha"].dump(), "32");
  EXPECT_EQ(config["target_modules"], nlohmann::json({"q_proj", "v_proj"}));
  for (const char* key : {"rank_pattern", "alpha_pattern", "modules_to_save"})
    EXPECT_FALSE(config.contains(key)) << key;
  const auto file = SafetensorsFile::open(folder / "adapter/adapter_model.safetensors").value();
  EXPECT_EQ(file.metadata(), (SafetensorsMetadata{{"format", "pt"}}));
  const TensorView* b = file.find("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight");
  ASSERT_NE(b, nullptr);
  EXPECT_THAT(b->shape, ElementsAre(4, 2));
  EXPECT_EQ(b->dtype, DType::kF32);
}

TEST(Adapter, TheSameAdapterGivesTheSameBytes) {
  const TestFolder folder;
  Adapter shuffled = sample();
  std::swap(shuffled.modules[0], shuffled.modules[1]);
  std::swap(shuffled.config.target_modules[0], shuffled.config.target_modules[1]);
  ASSERT_TRUE(write_adapter(folder / "a", sample()));
  ASSERT_TRUE(write_adapter(folder / "b", shuffled));
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"}) {
    EXPECT_EQ(read_all(folder / "a" / name), read_all(folder / "b" / name));
  }
}

TEST(Adapter, ReplacesAnOlderFolderWhole) {
  const TestFolder folder;
  std::filesystem::create_directory(folder / "adapter");
  folder.write("adapter/stale", "old");
  ASSERT_TRUE(write_adapter(folder / "adapter/", sample()));  // the slash makes no difference
  EXPECT_THAT(names_in(folder / "adapter"),
              UnorderedElementsAre("adapter_config.json", "adapter_model.safetensors"));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("adapter"));
}

TEST(Adapter, WritingWhereItCannotIsATransientFailure) {
  const TestFolder folder;
  folder.write("file", "");
  const auto written = write_adapter(folder / "file/adapter", sample());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().reason, "DiskFull");
  EXPECT_EQ(written.error().failure_class, FailureClass::kTransient);
}

TEST(Adapter, MatricesThatContradictTheirShapeAreABug) {
  const TestFolder folder;
  Adapter adapter = sample();
  adapter.modules[0].a.pop_back();
  EXPECT_THROW((void)write_adapter(folder / "adapter", adapter), std::invalid_argument);
}

TEST(Adapter, ScaleIsAlphaOverRankOrItsRoot) {
  AdapterConfig config{.base_model_name_or_path = "",
                       .r = 4,
                       .lora_alpha = 8,
                       .lora_dropout = 0,
                       .use_rslora = false,
                       .target_modules = {}};
  EXPECT_EQ(config.scale(), 2.0);
  config.use_rslora = true;
  EXPECT_EQ(config.scale(), 4.0);
}

// --- what is refused
// ----------------------------------------------------------------------------------------------

class AdapterFolder : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(write_adapter(folder_ / "adapter", sample())); }

  Failure after_config_change(const nlohmann::json& change) {
    auto config = nlohmann::json::parse(read_all(folder_ / "adapter/adapter_config.json"));
    config.merge_patch(change);
    folder_.write("adapter/adapter_config.json", config.dump());
    return failure();
  }
  Failure after_weights_change(std::vector<TensorView> tensors) {
    EXPECT_TRUE(write_safetensors(folder_ / "adapter/adapter_model.safetensors", tensors));
    return failure();
  }
  Failure failure() {
    const auto adapter = read_adapter(folder_ / "adapter");
    return adapter ? Failure{} : adapter.error();
  }
  TestFolder folder_;
};

TEST_F(AdapterFolder, SettingsThatChangeTheArithmeticAreRefusedByName) {
  for (const auto& change :
       {nlohmann::json{{"use_dora", true}}, nlohmann::json{{"rank_pattern", {{"q_proj", 4}}}},
        nlohmann::json{{"modules_to_save", {"lm_head"}}},
        nlohmann::json{{"fan_in_fan_out", true}}}) {
    SetUp();
    const Failure failure = after_config_change(change);
    EXPECT_EQ(failure.reason, "AdapterNotSupported");
    EXPECT_THAT(failure.message, HasSubstr(change.begin().key()));
  }
}

TEST_F(AdapterFolder, EmptySettingsAreFine) {
  EXPECT_EQ(
      after_config_change({{"use_dora", false}, {"rank_pattern", nlohmann::json::object()}}).reason,
      "");
}

TEST_F(AdapterFolder, WrongConfigurationsAreInvalid) {
  EXPECT_EQ(after_config_change({{"peft_type", "IA3"}}).reason, "AdapterInvalid");
  SetUp();
  EXPECT_EQ(after_config_change({{"r", 0}}).reason, "AdapterInvalid");
  SetUp();
  EXPECT_THAT(after_config_change({{"r", 3}}).message, HasSubstr("does not have rank 3"));
}

TEST_F(AdapterFolder, TensorsThatAreNoPairOfMatricesAreRefused) {
  const std::vector<float> values = {1, 2};
  const auto bytes = std::as_bytes(std::span(values));
  EXPECT_THAT(
      after_weights_change({{"base_model.model.x.lora_A.weight", DType::kF32, {2, 1}, bytes}})
          .message,
      HasSubstr("only one matrix for 'x'"));
  EXPECT_EQ(
      after_weights_change({{"base_model.model.x.lora_magnitude_vector", DType::kF32, {2}, bytes}})
          .reason,
      "AdapterNotSupported");
  EXPECT_THAT(after_weights_change({}).message, HasSubstr("no LoRA matrix"));
}

TEST_F(AdapterFolder, MissingFilesAreSaidToBeMissing) {
  std::filesystem::remove(folder_ / "adapter/adapter_model.safetensors");
  EXPECT_EQ(failure().reason, "AdapterMissing");
  std::filesystem::remove(folder_ / "adapter/adapter_config.json");
  EXPECT_EQ(failure().reason, "AdapterMissing");
}

}  // namespace
}  // namespace tunesmith::engine
