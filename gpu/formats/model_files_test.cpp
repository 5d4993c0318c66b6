#include "formats/model_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/test_folder.h"

namespace tunesmith::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void write_shard(const std::filesystem::path& path, const std::vector<std::string>& names) {
  const std::vector<float> value = {1};
  std::vector<TensorView> tensors;
  for (const auto& name : names)
    tensors.push_back({name, DType::kF32, {1}, std::as_bytes(std::span(value))});
  ASSERT_TRUE(write_safetensors(path, tensors));
}

Failure failure_of(const std::filesystem::path& dir) {
  const auto weights = ModelWeights::open(dir);
  return weights ? Failure{} : weights.error();
}

TEST(ModelFiles, OneFile) {
  const TestFolder folder;
  write_shard(folder / "model.safetensors", {"b", "a"});
  const auto weights = ModelWeights::open(folder.path());
  ASSERT_TRUE(weights);
  EXPECT_THAT(weights->names(), ElementsAre("a", "b"));
  EXPECT_EQ(weights->tensor("a")->name, "a");
  EXPECT_EQ(weights->tensor("c").error().reason, "ModelTensorMissing");
}

TEST(ModelFiles, Shards) {
  const TestFolder folder;
  write_shard(folder / "m-1.safetensors", {"a"});
  write_shard(folder / "m-2.safetensors", {"b"});
  folder.write("model.safetensors.index.json",
               R"({"metadata":{},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}})");
  auto opened = ModelWeights::open(folder.path());
  ASSERT_TRUE(opened) << opened.error().message;
  const ModelWeights weights = std::move(*opened);
  EXPECT_THAT(weights.names(), ElementsAre("a", "b"));
  EXPECT_TRUE(weights.contains("b"));
  EXPECT_EQ(weights.tensor("b")->element_count(), 1);
}

TEST(ModelFiles, NothingThere) {
  const TestFolder folder;
  EXPECT_EQ(failure_of(folder.path()).reason, "ModelFileMissing");
}

TEST(ModelFiles, AMissingShardIsNamed) {
  const TestFolder folder;
  folder.write("model.safetensors.index.json", R"({"weight_map":{"a":"m-1.safetensors"}})");
  EXPECT_EQ(failure_of(folder.path()).reason, "ModelFileMissing");
  EXPECT_THAT(failure_of(folder.path()).message, HasSubstr("m-1.safetensors"));
}

TEST(ModelFiles, IndexAndShardsMustAgree) {
  const TestFolder folder;
  write_shard(folder / "m-1.safetensors", {"a"});
  folder.write("model.safetensors.index.json",
               R"({"weight_map":{"a":"m-1.safetensors","b":"m-1.safetensors"}})");
  EXPECT_THAT(failure_of(folder.path()).message, HasSubstr("lacks 'b'"));
  folder.write("model.safetensors.index.json", R"({"weight_map":{"b":"m-1.safetensors"}})");
  EXPECT_THAT(failure_of(folder.path()).message, HasSubstr("holds 'a'"));
}

TEST(ModelFiles, AShardOutsideTheFolderIsRefused) {
  const TestFolder folder;
  for (const char* shard : {"\"../m\"", "\"/etc/passwd\"", "\"\"", "7", "\"..\""}) {
    folder.write("model.safetensors.index.json",
                 std::string(R"({"weight_map":{"a":)") + shard + "}}");
    EXPECT_EQ(failure_of(folder.path()).reason, "ModelFileInvalid") << shard;
  }
}

}  // namespace
}  // namespace tunesmith::engine
