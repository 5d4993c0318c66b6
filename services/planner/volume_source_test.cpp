// What the planner finds out about a folder with data: the real tunesmith-inspect.
#include "planner/volume_source.h"

#include <gmock/gmock.h>

#include <fstream>

#include "registry/testing/image_maker.h"
#include "runtime/sha256.h"
#include "temp_folder.h"

namespace tunesmith::planner {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string kRow =
    R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]})"
    "\n";

class VolumeSourceTest : public ::testing::Test {
 protected:
  VolumeSourceTest() { write("a.jsonl", kRow + kRow); }
  void write(const std::string& name, const std::string& content) {
    fs::create_directories((data_ / name).parent_path());
    std::ofstream(data_ / name) << content;
  }
  Result<OtherData> look(const fs::path& path) {
    const std::vector<std::string> allowed = {allowed_.string()};
    const Patience patience{.clock = clock_, .deadline = clock_.steady_now() + 60s, .stop = {}};
    return look_into_volume(path.string(), {http_, inspector_, access_, allowed}, patience);
  }
  std::string refusal(const fs::path& path) {
    const auto found = look(path);
    return found ? "" : found.error().reason;
  }

  testing_support::TempFolder folder_;
  fs::path allowed_ = folder_.path() / "allowed", data_ = allowed_ / "d\xc3\xa4ta #1";
  SystemClock clock_;
  HttpClient http_{HttpClientOptions{}};
  Inspector inspector_{std::string(TUNESMITH_BIN_DIR) + "/tunesmith-inspect",
                       folder_.path() / "work"};
  Access access_;
};

TEST_F(VolumeSourceTest, NamesEveryFileByItsContent) {
  write("sub/B.JSONL", kRow);
  write("README.md", "no data");
  write(".hidden/c.jsonl", "no data");
  write(".d.jsonl", "no data");
  fs::create_symlink("/etc/passwd", data_ / "link.jsonl");
  const auto found = look(data_);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->data.rows(), 3u);
  EXPECT_EQ(found->data.layout(), "messages");
  const auto& volume = found->data.volume();
  EXPECT_EQ(volume.path(), data_.string());
  ASSERT_EQ(volume.files_size(), 2);
  EXPECT_EQ(volume.files(0).path(), "a.jsonl");
  EXPECT_EQ(volume.files(0).size_bytes(), 2 * kRow.size());
  EXPECT_EQ(volume.files(0).sha256(), sha256_hex(kRow + kRow));
  EXPECT_EQ(volume.files(1).path(), "sub/B.JSONL");
}

TEST_F(VolumeSourceTest, AFileMayBeNamedItself) {
  const auto found = look(data_ / "a.jsonl");
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->data.volume().files_size(), 1);
  EXPECT_EQ(found->data.volume().files(0).path(), "a.jsonl");
}

TEST_F(VolumeSourceTest, OnlyWhatTheOperatorAllows) {
  const fs::path elsewhere = folder_.path() / "elsewhere";
  fs::create_directories(elsewhere);
  std::ofstream(elsewhere / "a.jsonl") << kRow;
  fs::create_directory_symlink(elsewhere, allowed_ / "link");
  for (const auto& path : {elsewhere, allowed_ / "link", allowed_ / "../elsewhere",
                           folder_.path() / "allowed2", folder_.path()}) {
    EXPECT_EQ(refusal(path), "VolumePathNotAllowed") << path;
  }
}

TEST_F(VolumeSourceTest, WhatCannotBeLearntFromIsNamed) {
  EXPECT_EQ(refusal(allowed_ / "none"), "VolumeNotFound");
  fs::create_directories(allowed_ / "many");
  for (int i = 0; i < 10'001; ++i) std::ofstream(allowed_ / "many" / (std::to_string(i) + ".csv"));
  EXPECT_EQ(refusal(allowed_ / "many"), "VolumeTooLarge");
  fs::create_directories(allowed_ / "empty");
  EXPECT_EQ(refusal(allowed_ / "empty"), "VolumeHasNoDataFile");
  write("b.jsonl", R"({"text":"x"})"
                   "\n");
  EXPECT_EQ(refusal(data_), "MixedLayouts");
  write("b.jsonl", R"({"a":1})"
                   "\n");
  EXPECT_EQ(refusal(data_), "NoUsableColumn");
}

}  // namespace
}  // namespace tunesmith::planner
