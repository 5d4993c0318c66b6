// tunesmith-inspect as the planner runs it: a child process, JSON out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "formats/test_folder.h"
#include "text/testing/temporary_model.h"

namespace tunesmith::engine {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

const fs::path kTestdata = fs::path(TUNESMITH_TEST_DIR) / "testdata";
const fs::path kText = fs::path(TUNESMITH_TEST_DIR) / "../text/testdata";

struct Answer {
  int exit_code = -1;
  Json json;
};

Answer inspect(const std::string& arguments) {
  const std::string command = std::string(TUNESMITH_BIN_DIR) + "/tunesmith-inspect " + arguments;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen " + command);
  std::string output;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.append(buffer.data(), n);
  }
  const int status = pclose(pipe);
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          .json = Json::parse(output, nullptr, false)};
}

TEST(Inspect, DescribesWholeFiles) {
  const auto [exit_code, json] =
      inspect("--data " + (kTestdata / "messages-zstd.parquet").string() + " " +
              (kTestdata / "messages.jsonl").string());
  ASSERT_EQ(exit_code, 0);
  EXPECT_EQ(json["rows"], 120);
  EXPECT_EQ(json["layout"], "messages");
  ASSERT_EQ(json["files"].size(), 2U);
  const Json& file = json["files"][0];
  EXPECT_EQ(file["file"], "messages-zstd.parquet");
  EXPECT_EQ(file["format"], "parquet");
  EXPECT_EQ(file["rows"], 60);
  EXPECT_EQ(file["rows_are_exact"], true);
  EXPECT_EQ(file["used_columns"], Json({"messages"}));
  EXPECT_EQ(file["columns"][0], (Json{{"name", "id"}, {"type", "int64"}}));
  EXPECT_EQ(file["problems"][0], (Json{{"what", "`messages` is empty"}, {"rows", 12}}));
  EXPECT_EQ(json["files"][1]["text_bytes"], file["text_bytes"]);
  EXPECT_FALSE(json.contains("tokens"));
}

TEST(Inspect, CountsTokensWithAModel) {
  const TemporaryModel model(kText / "tiny", kText / "templates" / "chatml.jinja");
  const auto [exit_code, json] =
      inspect("--data " + (kTestdata / "messages.json").string() + " --model " +
              model.dir().string() + " --train-test-split 0.5 --max-seq-length 60");
  ASSERT_EQ(exit_code, 0);
  EXPECT_EQ(json["train_examples"], 21);
  EXPECT_EQ(json["eval_examples"], 21);
  EXPECT_GT(json["tokens"], json["target_tokens"]);
  EXPECT_GT(json["longest"], 30);
  EXPECT_EQ(json["dropped"].size(), 2U);
}

TEST(Inspect, LooksAtRemoteFilesThroughPieces) {
  const TestFolder folder;
  const std::string parquet = read_all(kTestdata / "messages-zstd.parquet");
  const std::string size = std::to_string(parquet.size());
  const auto head = folder.write("head", parquet.substr(0, 1000)).string();
  EXPECT_EQ(inspect("--head " + head + " --size " + size).json["failure"]["reason"],
            "FooterNeeded");

  const auto little = folder.write("little", parquet.substr(parquet.size() - 100)).string();
  const Answer too_short = inspect("--footer " + little);
  EXPECT_EQ(too_short.exit_code, 1);
  EXPECT_EQ(too_short.json["failure"]["reason"], "FooterTooShort");
  const auto needed = too_short.json["failure"]["needed_bytes"].get<std::size_t>();

  const auto tail = folder.write("tail", parquet.substr(parquet.size() - needed)).string();
  const Answer answer = inspect("--footer " + tail + " --name train.parquet");
  EXPECT_EQ(answer.exit_code, 0);
  EXPECT_EQ(answer.json["rows"], 60);
  EXPECT_EQ(answer.json["layout"], "messages");
  EXPECT_EQ(answer.json["files"][0]["file"], "train.parquet");
  EXPECT_GT(answer.json["files"][0]["text_bytes"], 500);

  const std::string lines = read_all(kTestdata / "messages.jsonl");
  const auto half = folder.write("half", lines.substr(0, lines.size() / 2)).string();
  const Answer estimate =
      inspect("--head " + half + " --name x.jsonl --size " + std::to_string(lines.size()));
  EXPECT_EQ(estimate.exit_code, 0);
  EXPECT_EQ(estimate.json["files"][0]["rows_are_exact"], false);
  EXPECT_NEAR(estimate.json["rows"].get<double>(), 60, 6);
}

TEST(Inspect, FailsWithAReasonAndASentence) {
  const TestFolder folder;
  const auto path = folder.write("\xff.csv", "a,b\n1,2\n").string();
  const auto [exit_code, json] = inspect("--data " + path);
  EXPECT_EQ(exit_code, 1);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["failure"]["class"], "Permanent");
  EXPECT_EQ(json["failure"]["reason"], "NoUsableColumn");
  EXPECT_THAT(json["failure"]["message"].get<std::string>(), HasSubstr("`a` (text)"));
  EXPECT_GE(inspect("--no-such-option 2>/dev/null").exit_code, 2);
  EXPECT_GE(inspect("2>/dev/null").exit_code, 2);
}

}  // namespace
}  // namespace tunesmith::engine
