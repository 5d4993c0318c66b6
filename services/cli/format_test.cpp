#include "cli/format.h"

#include <gtest/gtest.h>

namespace tunesmith::cli {
namespace {

using std::chrono::seconds;

TEST(HumanDuration, IsWhatKubectlWrites) {
  EXPECT_EQ(human_duration(seconds(-5)), "0s");
  EXPECT_EQ(human_duration(seconds(0)), "0s");
  EXPECT_EQ(human_duration(seconds(119)), "119s");
  EXPECT_EQ(human_duration(seconds(120)), "2m");
  EXPECT_EQ(human_duration(seconds(192)), "3m12s");
  EXPECT_EQ(human_duration(seconds(10 * 60 + 5)), "10m");
  EXPECT_EQ(human_duration(seconds(179 * 60)), "179m");
  EXPECT_EQ(human_duration(seconds(3 * 3600)), "3h");
  EXPECT_EQ(human_duration(seconds(5 * 3600 + 20 * 60)), "5h20m");
  EXPECT_EQ(human_duration(seconds(47 * 3600)), "47h");
  EXPECT_EQ(human_duration(seconds(3 * 86400 + 4 * 3600)), "3d4h");
  EXPECT_EQ(human_duration(seconds(200 * 86400)), "200d");
  EXPECT_EQ(human_duration(seconds(800 * 86400LL)), "2y70d");
}

TEST(HumanBytes, ChoosesTheUnit) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(512), "512 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(269'060'552), "257 MiB");
  EXPECT_EQ(human_bytes(1ull << 40), "1.0 TiB");
}

TEST(HumanNumber, HasFourDigits) {
  EXPECT_EQ(human_number(1.23456), "1.235");
  EXPECT_EQ(human_number(0.0003), "0.0003");
  EXPECT_EQ(human_number(2.0), "2");
}

TEST(Width, CountsCodePoints) {
  EXPECT_EQ(display_width("größe"), 5u);
  EXPECT_EQ(cut_to_width("größe", 5), "größe");
  EXPECT_EQ(cut_to_width("größe", 4), "grö…");
  EXPECT_EQ(cut_to_width("abc", 1), "…");
  EXPECT_EQ(cut_to_width("abc", 0), "");
}

TEST(ProgressBar, IsAlwaysAsWideAsAskedFor) {
  EXPECT_EQ(progress_bar(0.0, 10), "[>       ]");
  EXPECT_EQ(progress_bar(0.5, 10), "[====>   ]");
  EXPECT_EQ(progress_bar(1.0, 10), "[========]");
  EXPECT_EQ(progress_bar(7.0, 10), "[========]");
  EXPECT_EQ(progress_bar(-1.0, 10), "[>       ]");
  EXPECT_EQ(progress_bar(0.0 / 0.0, 5), "[>  ]");
  EXPECT_EQ(progress_bar(0.5, 0), "[>]");
}

}  // namespace
}  // namespace tunesmith::cli
