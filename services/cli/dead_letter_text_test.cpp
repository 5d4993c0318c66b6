#include "cli/dead_letter_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "runtime/text.h"
#include "tunesmith/events/v1/planning.pb.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

bus::DeadLetter letter() {
  return {.sequence = 12,
          .event = {.id = "u-1/1/0/tuning-planned",
                    .token = "tuning-planned",
                    .uid = "u-1",
                    .payload = "\xff\xff",
                    .time = "2026-01-31T11:00:00.000Z",
                    .stream_sequence = 40},
          .consumer = "image-builder_tuning-planned",
          .failure = {.failure_class = FailureClass::kPoison,
                      .reason = "EventUndecodable",
                      .message = "no \xff event"},
          .time = "2026-01-31T12:00:00.000Z"};
}

TEST(DeadLetterTable, OneRowForEach) {
  const auto now = parse_rfc3339("2026-01-31T12:03:00Z");
  ASSERT_TRUE(now);
  bus::DeadLetter undated = letter();
  undated.sequence = 7;
  undated.time = "";
  EXPECT_EQ(to_text(dead_letter_table({letter(), undated}, *now)),
            "NUMBER   AGE         EVENT            UID   CONSUMER                       REASON\n"
            "12       3m          tuning-planned   u-1   image-builder_tuning-planned   "
            "EventUndecodable\n"
            "7        <unknown>   tuning-planned   u-1   image-builder_tuning-planned   "
            "EventUndecodable\n");
}

TEST(DeadLettersJson, TellsEverything) {
  const json list = dead_letters_json({letter()});
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["number"], 12);
  EXPECT_EQ(list[0]["time"], "2026-01-31T12:00:00.000Z");
  EXPECT_EQ(list[0]["consumer"], "image-builder_tuning-planned");
  EXPECT_EQ(list[0]["class"], "Poison");
  EXPECT_EQ(list[0]["reason"], "EventUndecodable");
  EXPECT_EQ(list[0]["event"]["id"], "u-1/1/0/tuning-planned");
  EXPECT_EQ(list[0]["event"]["sequence"], 40);
  EXPECT_TRUE(list[0]["event"]["data"].is_null());
  EXPECT_EQ(dead_letters_json({}), json::array());
}

TEST(DeadLettersJson, ShowsAnEventThatCanBeDecoded) {
  events::v1::TuningPlanned event;
  event.mutable_workspace()->set_name("a");
  bus::DeadLetter readable = letter();
  readable.event.payload = event.SerializeAsString();
  EXPECT_EQ(dead_letters_json({readable})[0]["event"]["data"]["workspace"]["name"], "a");
}

TEST(DeadLetterNumbers, AreWholeAndPositive) {
  const auto numbers = parse_numbers({"3", "18446744073709551615"});
  ASSERT_TRUE(numbers);
  EXPECT_EQ(*numbers, (std::vector<std::uint64_t>{3, 18446744073709551615U}));
  for (const char* wrong : {"", "0", "-1", "+1", "3x", "0x3", "1.5", "18446744073709551616"}) {
    const auto read = parse_numbers({"3", wrong});
    ASSERT_FALSE(read) << wrong;
    EXPECT_EQ(read.error().reason, "UsageError");
  }
}

TEST(DeadLetterText, TellsOneWhole) {
  const std::string text = dead_letter_text(letter());
  EXPECT_NE(text.find("Number:         12\n"), std::string::npos) << text;
  EXPECT_NE(text.find("EventUndecodable: no \xef\xbf\xbd event\n"), std::string::npos) << text;
  EXPECT_NE(text.find("What to do:"), std::string::npos) << text;
  EXPECT_NE(text.find("Content: 2 bytes that cannot be decoded\n"), std::string::npos) << text;
  bus::DeadLetter readable = letter();
  events::v1::TuningPlanned planned;
  planned.mutable_workspace()->set_name("a");
  readable.event.payload = planned.SerializeAsString();
  EXPECT_NE(dead_letter_text(readable).find("\"name\": \"a\""), std::string::npos);
}

}  // namespace
}  // namespace tunesmith::cli
