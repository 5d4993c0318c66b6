#include "formats/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "formats/test_folder.h"

namespace tunesmith::engine {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json smollm2() {  // as transformers 5 writes it
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"vocab_size", 49152},
          {"hidden_size", 576},
          {"intermediate_size", 1536},
          {"num_hidden_layers", 30},
          {"num_attention_heads", 9},
          {"num_key_value_heads", 3},
          {"max_position_embeddings", 8192},
          {"rms_norm_eps", 1e-5},
          {"tie_word_embeddings", true},
          {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 100000.0}}},
          {"dtype", "bfloat16"},
          {"bos_token_id", 1},
          {"eos_token_id", 2},
          {"hidden_act", "silu"}};
}

Result<ModelConfig> read(const json& config) {
  const TestFolder folder;
  folder.write("config.json", config.dump());
  return read_model_config(folder.path());
}

json with(json config, const json& changes) {
  config.merge_patch(changes);
  return config;
}

TEST(ModelConfig, ReadsTheNamesOfTransformers5) {
  const auto config = read(smollm2());
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->model_type, "llama");
  EXPECT_EQ(config->head_dim, 64);
  EXPECT_EQ(config->num_key_value_heads, 3);
  EXPECT_EQ(config->rope_theta, 100000.0);
  EXPECT_EQ(config->dtype, DType::kBF16);
  EXPECT_TRUE(config->tie_word_embeddings);
  EXPECT_FALSE(config->llama3_rope_scaling);
  EXPECT_FALSE(config->stored_as_nf4);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(2));
}

TEST(ModelConfig, ReadsTheNamesOfTransformers4) {
  const json llama32 = with(smollm2(), {{"rope_parameters", nullptr},
                                        {"dtype", nullptr},
                                        {"rope_theta", 500000.0},
                                        {"torch_dtype", "float16"},
                                        {"head_dim", 128},
                                        {"eos_token_id", {128001, 128008}},
                                        {"rope_scaling",
                                         {{"rope_type", "llama3"},
                                          {"factor", 32.0},
                                          {"low_freq_factor", 1.0},
                                          {"high_freq_factor", 4.0},
                                          {"original_max_position_embeddings", 8192}}}});
  const auto config = read(llama32);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->rope_theta, 500000.0);
  EXPECT_EQ(config->dtype, DType::kF16);
  EXPECT_EQ(config->head_dim, 128);
  ASSERT_TRUE(config->llama3_rope_scaling);
  EXPECT_EQ(config->llama3_rope_scaling->factor, 32.0);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(128001, 128008));
}

TEST(ModelConfig, FillsInWhatLlamaLeavesOut) {
  json config = smollm2();
  for (const char* key : {"num_key_value_heads", "rope_parameters", "dtype", "tie_word_embeddings",
                          "bos_token_id", "eos_token_id", "rms_norm_eps", "architectures"}) {
    config.erase(key);
  }
  const auto read_config = read(config);
  ASSERT_TRUE(read_config) << read_config.error().message;
  EXPECT_EQ(read_config->num_key_value_heads, 9);
  EXPECT_EQ(read_config->rope_theta, 10000.0);
  EXPECT_EQ(read_config->rms_norm_eps, 1e-6);
  EXPECT_FALSE(read_config->tie_word_embeddings);
  EXPECT_EQ(read_config->bos_token_id, 1);
  EXPECT_THAT(read_config->eos_token_ids, ElementsAre(2));
}

TEST(ModelConfig, JoinsTheEndTokensOfTheGenerationConfig) {
  const TestFolder folder;
  folder.write("config.json", smollm2().dump());
  folder.write("generation_config.json", R"({"eos_token_id":[7,2]})");
  EXPECT_THAT(read_model_config(folder.path())->eos_token_ids, ElementsAre(2, 7));
}

TEST(ModelConfig, KnowsABitsandbytesCheckpoint) {
  const json nf4 = {
      {"quant_method", "bitsandbytes"}, {"load_in_4bit", true}, {"bnb_4bit_quant_type", "nf4"}};
  EXPECT_TRUE(read(with(smollm2(), {{"quantization_config", nf4}}))->stored_as_nf4);
}

struct Refused {
  const char* name;
  json changes;
  const char* reason;
  const char* complaint;
};

class RefusedConfig : public testing::TestWithParam<Refused> {};

TEST_P(RefusedConfig, NamesWhatIsWrong) {
  const auto config = read(with(smollm2(), GetParam().changes));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().reason, GetParam().reason);
  EXPECT_THAT(config.error().message, HasSubstr(GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(
    ModelConfig, RefusedConfig,
    testing::Values(
        Refused{"Family",
                {{"model_type", "mamba"}},
                "ArchitectureNotSupported",
                "model family \"mamba\""},
        Refused{"NoFamily", {{"model_type", nullptr}}, "ArchitectureNotSupported", "family absent"},
        Refused{"Head",
                {{"architectures", {"LlamaForSequenceClassification"}}},
                "ArchitectureNotSupported",
                "SequenceClass"},
        Refused{
            "Rope", {{"rope_parameters", {{"rope_type", "yarn"}}}}, "ModelNotSupported", "'yarn'"},
        Refused{"OldRope",
                {{"rope_parameters", nullptr}, {"rope_scaling", {{"type", "linear"}}}},
                "ModelNotSupported",
                "'linear'"},
        Refused{"Partial",
                {{"rope_parameters", {{"partial_rotary_factor", 0.5}}}},
                "ModelNotSupported",
                "partial_rotary"},
        Refused{"Activation", {{"hidden_act", "gelu"}}, "ModelNotSupported", "'gelu'"},
        Refused{"AttentionBias", {{"attention_bias", true}}, "ModelNotSupported", "attention_bias"},
        Refused{"MlpBias", {{"mlp_bias", true}}, "ModelNotSupported", "mlp_bias"},
        Refused{"Dtype", {{"dtype", "float8_e4m3fn"}}, "ModelNotSupported", "float8_e4m3fn"},
        Refused{"Gptq",
                {{"quantization_config", {{"quant_method", "gptq"}}}},
                "ModelNotSupported",
                "'gptq'"},
        Refused{
            "NoSize", {{"hidden_size", nullptr}}, "ModelFileInvalid", "'hidden_size' is missing"},
        Refused{"NegativeSize", {{"vocab_size", -1}}, "ModelFileInvalid", "'vocab_size'"},
        Refused{"HugeSize", {{"hidden_size", 1e18}}, "ModelFileInvalid", "'hidden_size'"},
        Refused{"Heads", {{"num_key_value_heads", 2}}, "ModelFileInvalid", "multiple of"},
        Refused{"OddHead", {{"head_dim", 63}}, "ModelFileInvalid", "'head_dim' must be even"},
        Refused{"SizeAsText",
                {{"num_hidden_layers", "30"}},
                "ModelFileInvalid",
                "'num_hidden_layers'"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ModelConfig, FilesThatAreNoConfig) {
  const TestFolder folder;
  EXPECT_EQ(read_model_config(folder.path()).error().reason, "ModelFileMissing");
  folder.write("config.json", "{");
  EXPECT_EQ(read_model_config(folder.path()).error().reason, "ModelFileInvalid");
  folder.write("config.json", "[]");
  EXPECT_EQ(read_model_config(folder.path()).error().reason, "ModelFileInvalid");
}

TEST(RopeFrequencies, FallGeometrically) {
  ModelConfig config;
  config.head_dim = 8;
  config.rope_theta = 10000;
  const auto frequencies = rope_inverse_frequencies(config);
  ASSERT_EQ(frequencies.size(), 4U);
  EXPECT_FLOAT_EQ(frequencies[0], 1.0F);
  EXPECT_FLOAT_EQ(frequencies[1], 0.1F);
  EXPECT_FLOAT_EQ(frequencies[3], 0.001F);
}

// Long waves are slowed by the factor, short ones are left alone, those between are mixed.
TEST(RopeFrequencies, Llama3StretchesOnlyLongWaves) {
  ModelConfig config;
  config.head_dim = 8;
  const auto plain = rope_inverse_frequencies(config);
  config.llama3_rope_scaling = Llama3RopeScaling{.factor = 8,
                                                 .low_freq_factor = 1,
                                                 .high_freq_factor = 4,
                                                 .original_max_position_embeddings = 100};
  const auto scaled = rope_inverse_frequencies(config);
  EXPECT_FLOAT_EQ(scaled[0], plain[0]);                    // wave 6 < 25
  EXPECT_FLOAT_EQ(scaled[2], plain[2] / 8);                // wave 628 > 100
  const float smooth = (100 * 0.1F / 6.2831853F - 1) / 3;  // wave 63
  EXPECT_FLOAT_EQ(scaled[1], (1 - smooth) * plain[1] / 8 + smooth * plain[1]);
}

}  // namespace
}  // namespace tunesmith::engine
