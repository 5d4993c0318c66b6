// The adapter in a folder: all of it or nothing, nothing of others overwritten, nowhere else.
#include "image-builder/output_folder.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "image-builder/testing/adapter_archive.h"
#include "runtime/sha256.h"
#include "temp_folder.h"

namespace tunesmith::image_builder {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class OutputFolderTest : public testing::Test {
 protected:
  OutputFolderTest() {
    fs::create_directories(allowed_);
    plan_.set_tuning_key(std::string(64, 'a'));
    plan_.mutable_output()->set_volume_path(out_.string());
    plan_.mutable_tuning()->mutable_model()->set_repository("org/model");
    plan_.mutable_tuning()->mutable_data()->add_files()->set_url("https://h/x?sig=s3cret");
    write_adapter(1);
  }
  void write_adapter(unsigned seed) {
    weights_ = safetensors_of(100'000, seed);
    write_archive(archive_, {{"adapter_config.json", kAdapterConfig},
                             {"adapter_model.safetensors", weights_}});
  }
  Result<StoredAdapter> store() {
    const auto folder = OutputFolder::open(plan_, {allowed_});
    if (!folder) return tl::unexpected(folder.error());
    return folder->write(archive_);
  }
  std::string refusal() {
    const auto folder = OutputFolder::open(plan_, {allowed_});
    return folder ? "" : folder.error().reason;
  }
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(out_)) found.insert(entry.path().filename());
    return found;
  }
  void put(const std::string& name, const std::string& content) {
    fs::create_directories(out_);
    std::ofstream(out_ / name) << content;
  }

  testing_support::TempFolder folder_;
  fs::path allowed_ = folder_.path() / "allowed", out_ = allowed_ / "team/adapter";
  fs::path archive_ = folder_.path() / "adapter.tar";
  std::string weights_;
  events::v1::Plan plan_;
};

TEST_F(OutputFolderTest, HoldsTheFilesAndAManifestThatNamesThem) {
  put("notes.txt", "somebody's");
  const auto stored = store();
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_THAT(names(), UnorderedElementsAre("adapter_config.json", "adapter_model.safetensors",
                                            "README.md", "tunesmith.json", "notes.txt"));
  EXPECT_EQ(bytes_of(out_ / "adapter_model.safetensors"), weights_);
  EXPECT_EQ(bytes_of(out_ / "adapter_config.json"), kAdapterConfig);
  const std::string text = bytes_of(out_ / "tunesmith.json");
  EXPECT_EQ(stored->digest, "sha256:" + sha256_hex(text));
  EXPECT_THAT(text, Not(HasSubstr("s3cret")));
  const auto manifest = nlohmann::json::parse(text);
  EXPECT_EQ(manifest["tuningKey"], plan_.tuning_key());
  EXPECT_EQ(manifest["data"][0]["url"], "https://h/x");
  EXPECT_EQ(manifest["files"][1]["sha256"], sha256_hex(weights_));
  EXPECT_THAT(bytes_of(out_ / "README.md"), HasSubstr("org/model"));
}

// Two Workspaces name one folder and are ready at the same time.
TEST_F(OutputFolderTest, WhoComesSecondDoesNotOverwriteWhatWasStoredSinceItLooked) {
  auto other = plan_;
  other.set_tuning_key(std::string(64, 'b'));
  const auto first = OutputFolder::open(plan_, {allowed_});
  const auto second = OutputFolder::open(other, {allowed_});
  ASSERT_TRUE(first && second);
  ASSERT_TRUE(first->write(archive_));
  const auto stored = second->write(archive_);
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().reason, "OutputFolderTaken");
  EXPECT_TRUE(first->stored());
}

TEST_F(OutputFolderTest, WhatIsThereWholeIsFoundAgain) {
  const auto stored = store();
  ASSERT_TRUE(stored);
  auto there = OutputFolder::open(plan_, {allowed_})->stored();
  ASSERT_TRUE(there);
  EXPECT_EQ(there->digest, stored->digest);
  EXPECT_EQ(there->size_bytes, stored->size_bytes);
  EXPECT_EQ(store()->digest, stored->digest);  // the same bytes again
  put("adapter_model.safetensors", "damaged");
  EXPECT_FALSE(OutputFolder::open(plan_, {allowed_})->stored());
  ASSERT_TRUE(store());
  EXPECT_TRUE(OutputFolder::open(plan_, {allowed_})->stored());
}

TEST_F(OutputFolderTest, OthersAreNotOverwrittenUnlessAllowed) {
  put("adapter_config.json", "somebody's");
  EXPECT_EQ(refusal(), "OutputFolderTaken");
  EXPECT_EQ(bytes_of(out_ / "adapter_config.json"), "somebody's");
  plan_.mutable_output()->set_replace_tag(true);
  ASSERT_TRUE(store());
  plan_.mutable_output()->set_replace_tag(false);
  EXPECT_EQ(refusal(), "");
  plan_.set_tuning_key(std::string(64, 'b'));
  EXPECT_EQ(refusal(), "OutputFolderTaken");
  const auto folder = OutputFolder::open(plan_, {allowed_});
  EXPECT_THAT(folder.error().message, HasSubstr("tunesmith.dev/replace-tag"));
  plan_.mutable_output()->set_replace_tag(true);
  write_adapter(2);
  EXPECT_FALSE(OutputFolder::open(plan_, {allowed_})->stored());
  ASSERT_TRUE(store());
  EXPECT_EQ(bytes_of(out_ / "adapter_model.safetensors"), weights_);
}

// Killed between two renames: files of two tunings, no manifest, and the marker tells whose.
TEST_F(OutputFolderTest, AWriteThatDiedIsGoneOnWithByItsOwnTuningOnly) {
  put("adapter_config.json", "new");
  put(".tunesmith-writing", R"({"tuningKey":")" + plan_.tuning_key() + "\"}");
  EXPECT_FALSE(OutputFolder::open(plan_, {allowed_})->stored());
  auto other = plan_;
  other.set_tuning_key(std::string(64, 'b'));
  EXPECT_EQ(OutputFolder::open(other, {allowed_}).error().reason, "OutputFolderTaken");
  ASSERT_TRUE(store());
  EXPECT_TRUE(OutputFolder::open(plan_, {allowed_})->stored());
  EXPECT_EQ(names().count(".tunesmith-writing"), 0u);
}

TEST_F(OutputFolderTest, OnlyFoldersThatTheOperatorAllows) {
  const fs::path elsewhere = folder_.path() / "elsewhere";
  fs::create_directories(elsewhere);
  fs::create_directory_symlink(elsewhere, allowed_ / "link");
  for (const auto& path : {elsewhere / "x", allowed_ / "link/x", allowed_ / "../elsewhere/x",
                           fs::path("relative"), folder_.path() / "allowed2"}) {
    plan_.mutable_output()->set_volume_path(path.string());
    EXPECT_EQ(refusal(), "OutputPathNotAllowed") << path;
  }
  EXPECT_TRUE(fs::is_empty(elsewhere));
  plan_.mutable_output()->set_volume_path(allowed_.string());
  EXPECT_EQ(refusal(), "");
  EXPECT_EQ(OutputFolder::open(plan_, {}).error().reason, "OutputPathNotAllowed");
}

TEST_F(OutputFolderTest, LinksInTheFolderAreReplacedNotFollowed) {
  const fs::path victim = folder_.path() / "victim";
  std::ofstream(victim) << "untouched";
  fs::create_directories(out_);
  for (const char* name : {"adapter_config.json", "tunesmith.json", ".tunesmith-new-README.md"}) {
    fs::create_symlink(victim, out_ / name);
  }
  EXPECT_EQ(refusal(), "OutputFolderTaken");
  plan_.mutable_output()->set_replace_tag(true);
  ASSERT_TRUE(store());
  EXPECT_EQ(bytes_of(victim), "untouched");
  EXPECT_FALSE(fs::is_symlink(out_ / "tunesmith.json"));
}

TEST_F(OutputFolderTest, WhatCannotBeWrittenIsToldBeforeTraining) {
  std::ofstream(allowed_ / "file") << "x";
  plan_.mutable_output()->set_volume_path((allowed_ / "file").string());
  EXPECT_EQ(refusal(), "OutputNotWritable");
  plan_.mutable_output()->set_volume_path((allowed_ / "file/below").string());
  EXPECT_EQ(refusal(), "OutputNotWritable");
}

TEST_F(OutputFolderTest, TwoDoNotWriteAtOnce) {
  fs::create_directories(out_);
  const int other = ::open(out_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  EXPECT_EQ(store().error().reason, "OutputFolderBusy");
  EXPECT_TRUE(fs::is_empty(out_));
  ::close(other);
  EXPECT_TRUE(store());
}

TEST_F(OutputFolderTest, ADamagedArchiveLeavesNothing) {
  std::ofstream(archive_) << "no tar";
  const auto stored = store();
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().reason, "AdapterInvalid");
  EXPECT_TRUE(names().empty());
}

}  // namespace
}  // namespace tunesmith::image_builder
