#include "runtime/local_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "runtime/sha256.h"
#include "temp_folder.h"

namespace tunesmith {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class LocalFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder / "allowed/sub");
    std::ofstream(folder / "allowed/sub/file") << "content";
    std::ofstream(folder / "outside") << "secret";
  }
  Result<LocalFile> open(const std::string& path) const {
    return LocalFile::open(folder / path, {folder / "none", folder / "allowed/"});
  }
  std::string reason(const std::string& path) const {
    const auto file = open(path);
    return file ? "" : file.error().reason;
  }
  testing_support::TempFolder temporary_;
  const fs::path folder = temporary_.path();
};

TEST_F(LocalFileTest, ReadsWhatIsAllowed) {
  const auto file = open("allowed/sub/file");
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(file->size_bytes(), 7u);
  EXPECT_EQ(*file->read(0, 100), "content");
  EXPECT_EQ(*file->read(3, 2), "te");
  EXPECT_EQ(*file->read(9, 2), "");
  EXPECT_EQ(*file->sha256({}), sha256_hex("content"));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(file->sha256(stop.get_token()).error().reason, "Stopped");
}

TEST_F(LocalFileTest, LinksCountByWhereTheyLead) {
  fs::create_symlink(folder / "outside", folder / "allowed/link");
  fs::create_directory_symlink(folder, folder / "allowed/up");
  fs::create_symlink("sub/file", folder / "allowed/inner");
  fs::create_directory_symlink(folder / "allowed", folder / "alias");
  EXPECT_EQ(reason("allowed/link"), "FileNotAllowed");
  EXPECT_EQ(reason("allowed/up/outside"), "FileNotAllowed");
  EXPECT_EQ(reason("allowed/../outside"), "FileNotAllowed");
  EXPECT_EQ(reason("allowed/inner"), "");
  // The operator may name a folder by a link.
  EXPECT_TRUE(LocalFile::open(folder / "alias/sub/file", {folder / "alias"}).has_value());
}

TEST_F(LocalFileTest, OnlyPlainFilesAreOpened) {
  ASSERT_EQ(::mkfifo((folder / "allowed/pipe").c_str(), 0600), 0);
  fs::create_symlink("/dev/zero", folder / "allowed/zero");
  EXPECT_EQ(reason("allowed/pipe"), "FileNotAllowed");
  EXPECT_EQ(reason("allowed/zero"), "FileNotAllowed");
  EXPECT_EQ(reason("allowed/sub"), "FileNotAllowed");
  EXPECT_EQ(LocalFile::open("/dev/null", {"/dev"}).error().reason, "FileNotAllowed");
}

TEST_F(LocalFileTest, FoldersCountByWholeComponents) {
  fs::create_directory(folder / "allowedly");
  std::ofstream(folder / "allowedly/file") << "x";
  EXPECT_EQ(reason("allowedly/file"), "FileNotAllowed");
  EXPECT_TRUE(LocalFile::open(folder / "outside", {"/"}).has_value());
  EXPECT_EQ(LocalFile::open(folder / "outside", {"", ".", folder.string() + "x"}).error().reason,
            "FileNotAllowed");
}

TEST_F(LocalFileTest, WhatIsMissingIsToldOnlyInside) {
  EXPECT_EQ(reason("allowed/none"), "DataNotFound");
  EXPECT_EQ(reason("none"), "FileNotAllowed");
  EXPECT_EQ(LocalFile::open(folder / "allowed/sub/file", {}).error().reason, "FileNotAllowed");
}

}  // namespace
}  // namespace tunesmith
