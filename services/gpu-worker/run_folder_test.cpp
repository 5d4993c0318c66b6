#include "run_folder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;

// A run empties its folder first: a uid from an event must not choose another one.
TEST(RunFolder, AUidCannotLeadOutOfTheWorkFolder) {
  const fs::path base = fs::path(testing::TempDir()) / ("run_folder_" + std::to_string(::getpid()));
  const fs::path victim = base / "victim";
  fs::create_directories(victim);
  std::ofstream(victim / "file") << "kept";
  fs::create_directories(base / "work");
  for (const std::string& uid : {victim.string(), std::string("../victim"), std::string(".."),
                                 std::string("."), std::string(""), std::string("a/../../victim"),
                                 std::string(200, 'a'), std::string("a\0b", 3)}) {
    const auto made = RunFolder::create(base / "work", uid);
    ASSERT_FALSE(made) << uid;
    EXPECT_EQ(made.error().reason, "EventInvalid");
  }
  EXPECT_TRUE(fs::exists(victim / "file"));
  {
    const auto made = RunFolder::create(base / "work", "0b5c7c3e-2f4b-4d0e-9a59-1c2d3e4f5a6b");
    ASSERT_TRUE(made) << made.error().message;
  }
  EXPECT_TRUE(fs::is_empty(base / "work"));
  fs::remove_all(base);
}

}  // namespace
}  // namespace tunesmith::gpu_worker
