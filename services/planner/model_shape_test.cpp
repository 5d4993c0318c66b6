#include "planner/model_shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "planner/data_probe.h"
#include "planner/inspection.h"
#include "planner/model_hub.h"

namespace tunesmith::planner {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json llama_1b() {
  return {{"model_type", "llama"},     {"vocab_size", 128256},        {"hidden_size", 2048},
          {"intermediate_size", 8192}, {"num_hidden_layers", 16},     {"num_attention_heads", 32},
          {"num_key_value_heads", 8},  {"tie_word_embeddings", true}, {"head_dim", 64}};
}

TEST(ModelShape, CountsParametersAsThePublishedModelHasThem) {
  const auto shape = read_model_shape(llama_1b().dump(), "m");
  ASSERT_TRUE(shape.has_value()) << shape.error().message;
  EXPECT_EQ(shape->parameters(), 1'235'814'400u);  // Llama-3.2-1B
}

TEST(ModelShape, RefusesWhatTheEngineCannotTrainOrRead) {
  json other = llama_1b();
  other["model_type"] = "phi3";
  EXPECT_EQ(read_model_shape(other.dump(), "m").error().reason, "ArchitectureNotSupported");
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers"}) {
    for (const json& wrong : {json(nullptr), json(0), json(-1), json("12"), json(1ull << 40)}) {
      json config = llama_1b();
      config[key] = wrong;
      EXPECT_EQ(read_model_shape(config.dump(), "m").error().reason, "ModelNotReadable")
          << key << wrong;
    }
  }
  EXPECT_EQ(read_model_shape("[]", "m").error().reason, "ModelNotReadable");
  EXPECT_EQ(read_model_shape("<html>", "m").error().reason, "ModelNotReadable");
}

HubListing listing(const std::vector<std::string>& names) {
  HubListing result{"0123456789abcdef", {}};
  for (const auto& name : names) {
    result.files.push_back({name, 1, ""});
  }
  return result;
}

std::vector<std::string> chosen(const std::vector<std::string>& names) {
  std::vector<std::string> result;
  const auto files = choose_files(listing(names), "m");
  for (const auto& file : files ? *files : std::vector<HubFile>{}) {
    result.push_back(file.name);
  }
  return result;
}

TEST(ModelHub, ChoosesWhatAWorkerNeeds) {
  EXPECT_THAT(chosen({".gitattributes", "README.md", "chat_template.jinja", "config.json",
                      "generation_config.json", "model-00001-of-00002.safetensors",
                      "model-00002-of-00002.safetensors", "model.safetensors.index.json",
                      "onnx/model.safetensors", "original/consolidated.00.pth",
                      "consolidated.safetensors", "pytorch_model.bin", "special_tokens_map.json",
                      "tokenizer.json", "tokenizer.model", "tokenizer_config.json"}),
              ::testing::UnorderedElementsAre(
                  "chat_template.jinja", "config.json", "generation_config.json",
                  "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                  "model.safetensors.index.json", "special_tokens_map.json", "tokenizer.json",
                  "tokenizer_config.json"));
}

TEST(ModelHub, NamesWhatARepositoryLacks) {
  for (const auto& [names, says] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"tokenizer.json", "model.safetensors"}, "no config.json"},
           {{"config.json", "model.safetensors"}, "no tokenizer.json"},
           {{"config.json", "tokenizer.json", "pytorch_model.bin"}, "no *.safetensors weights"}}) {
    const auto files = choose_files(listing(names), "m");
    ASSERT_FALSE(files.has_value());
    EXPECT_EQ(files.error().reason, "ModelNotReadable");
    EXPECT_THAT(files.error().message, HasSubstr(says));
  }
}

TEST(ModelHub, ReadsTheHubsAnswer) {
  const auto answer = read_listing(
      R"({"sha":"12fd25f77366fa6b3b4b768ec3050bf629380bac","tags":["safetensors",7,"license:apache-2.0"],"siblings":[
    {"rfilename":"config.json","size":861},
    {"rfilename":"model.safetensors","size":135,"lfs":{"sha256":"5af5","size":269060552}}]})",
      "m");
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->license, "apache-2.0");
  EXPECT_EQ(answer->files[0].size_bytes, 861u);
  EXPECT_EQ(answer->files[1].size_bytes, 269060552u);
  EXPECT_EQ(answer->files[1].sha256, "5af5");
  for (const char* wrong : {"", "[]", "{}", R"({"sha":"main","siblings":[]})",
                            R"({"sha":"12fd25f77366","siblings":[{"size":1}]})"}) {
    EXPECT_EQ(read_listing(wrong, "m").error().reason, "ModelNotReadable") << wrong;
  }
}

TEST(DataProbe, NamesAndDigests) {
  EXPECT_EQ(file_name_of("https://x.org/a/train.parquet?download=true"), "train.parquet");
  EXPECT_EQ(file_name_of("https://x.org/"), "data");
  EXPECT_EQ(file_name_of("https://x.org"), "data");
  EXPECT_EQ(file_name_of("https://x.org/.."), "data");
  EXPECT_EQ(file_name_of("https://x.org/a%2Fb c;.csv"), "a_2Fb_c_.csv");
  const std::string digest(64, 'a');
  EXPECT_EQ(sha256_of_etag("\"" + digest + "\""), digest);
  EXPECT_EQ(sha256_of_etag(digest), digest);
  EXPECT_EQ(sha256_of_etag("\"d41d8cd98f00b204e9800998ecf8427e\""), "");
  EXPECT_EQ(plain_etag("W/\"v1\""), "W/\"v1\"");
  EXPECT_EQ(plain_etag("\"v\xFC\""), "");  // no Protobuf string
}

TEST(Inspection, ReadsAnswersRefusalsAndCrashes) {
  const auto good = read_inspection(
      R"({"rows":7,"layout":"text","files":[{"estimated_tokens":5},{"estimated_tokens":6}]})", 0,
      "f");
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->inspection.rows, 7u);
  EXPECT_EQ(good->inspection.estimated_tokens, 11u);
  const auto footer = read_inspection(
      R"({"failure":{"class":"Permanent","reason":"FooterTooShort","message":"m","needed_bytes":99}})",
      1, "f");
  ASSERT_TRUE(footer.has_value());
  EXPECT_TRUE(footer->more_needed);
  EXPECT_EQ(footer->needed.bytes, 99u);
  EXPECT_EQ(
      read_inspection(
          R"({"failure":{"class":"Permanent","reason":"NoUsableColumn","message":"m"}})", 1, "f")
          .error()
          .reason,
      "NoUsableColumn");
  for (const auto& [output, code] : std::vector<std::pair<std::string, int>>{
           {"", 139}, {"{}", 0}, {"[]", 0}, {"nonsense", 1}, {R"({"failure":3})", 1}}) {
    EXPECT_EQ(read_inspection(output, code, "f").error().reason, "DataNotReadable") << output;
  }
}

}  // namespace
}  // namespace tunesmith::planner
