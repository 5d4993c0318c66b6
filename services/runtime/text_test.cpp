#include "runtime/text.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>

#include "temp_folder.h"

namespace tunesmith {
namespace {

const std::string kLost = "\xEF\xBF\xBD";

// A limit on the size of files stands for a full disk: both end by themselves.
TEST(WriteFile, LackOfRoomIsTransientAndLeavesTheOldContent) {
  const testing_support::TempFolder temporary;
  const std::filesystem::path& folder = temporary.path();
  ASSERT_TRUE(write_file(folder / "a", "old"));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{.rlim_cur = 1, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const auto written = write_file(folder / "a", "new");
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().reason, "DiskFull");
  EXPECT_EQ(written.error().failure_class, FailureClass::kTransient);
  EXPECT_EQ(read_file(folder / "a").value(), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
}

TEST(Utf8, WellFormedTextStaysAsItIs) {
  for (const std::string text : {"", "plain", "gr\xC3\xBC\xC3\x9F", "\xE2\x82\xAC",
                                 "\xF0\x9F\x94\xA5", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_EQ(valid_utf8(text), text);
  }
  EXPECT_EQ(valid_utf8(std::string("a\0b", 3)), std::string("a\0b", 3));
}

TEST(Utf8, EveryOtherByteIsReplaced) {
  const struct {
    std::string text, valid;
  } cases[] = {
      {"cut \xC3", "cut " + kLost},                         // inside a character
      {"\xE2\x82 on", kLost + kLost + " on"},               // the same, in the middle
      {"\xFF", kLost},                                      // no byte of UTF-8
      {"\xC0\xAF", kLost + kLost},                          // overlong
      {"\xED\xA0\x80", kLost + kLost + kLost},              // a surrogate
      {"\xF4\x90\x80\x80", kLost + kLost + kLost + kLost},  // above U+10FFFF
      {"latin \xFC and \xC3\xBC", "latin " + kLost + " and \xC3\xBC"},
  };
  for (const auto& [text, valid] : cases) {
    EXPECT_FALSE(is_utf8(text)) << text;
    EXPECT_EQ(valid_utf8(text), valid);
    EXPECT_TRUE(is_utf8(valid_utf8(text)));
  }
}

}  // namespace
}  // namespace tunesmith
