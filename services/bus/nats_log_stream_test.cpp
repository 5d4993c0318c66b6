// The workers' log lines against real servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bus/log_stream.h"
#include "bus/nats_bus_fixture.h"

namespace tunesmith::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

LogLine line(const std::string& text) {
  return {.time = "2026-01-31T12:00:00.000Z", .source = "engine", .attempt = 2, .text = text};
}

TEST(LogLines, SurviveTheirEncoding) {
  const std::vector<LogLine> lines{line("one"), line("zwei \xc3\xbc")};
  EXPECT_EQ(decode_log_lines(encode_log_lines(lines)), lines);
  EXPECT_EQ(decode_log_lines(encode_log_lines({line("\xff")}))->front().text, "\xef\xbf\xbd");
}

TEST(LogLines, WhatIsNoBatchIsRefusedAndWhatALineLacksIsEmpty) {
  for (const char* odd : {"", "{}", "[1]", "[{}", "null"}) {
    EXPECT_FALSE(decode_log_lines(odd)) << odd;
  }
  EXPECT_EQ(decode_log_lines(R"([{"text":"a","attempt":-1,"source":7}])"),
            (std::vector<LogLine>{{.text = "a"}}));
}

class NatsLogStreamTest : public NatsBusTest {
 protected:
  std::vector<std::string> texts(Connection& connection, const std::string& uid) {
    std::vector<std::string> found;
    const auto read = connection.logs().read(uid, false,
                                             [&](const std::vector<LogLine>& lines, std::uint64_t) {
                                               for (const auto& one : lines)
                                                 found.push_back(one.text);
                                               return true;
                                             },
                                             {});
    EXPECT_TRUE(read) << read.error().message;
    return found;
  }
};

TEST_P(NatsLogStreamTest, LinesOfOneUidAreReadInOrderAndGoWithIt) {
  const auto connection = ready();
  EXPECT_THAT(texts(*connection, "u-1"), IsEmpty());
  ASSERT_TRUE(connection->logs().append("u-1", {line("a"), line("b")}));
  ASSERT_TRUE(connection->logs().append("u-2", {line("other")}));
  ASSERT_TRUE(connection->logs().append("u-1", {line("c")}));
  EXPECT_THAT(texts(*connection, "u-1"), ElementsAre("a", "b", "c"));

  ASSERT_TRUE(connection->logs().purge("u-1"));
  EXPECT_THAT(texts(*connection, "u-1"), IsEmpty());
  EXPECT_THAT(texts(*connection, "u-2"), ElementsAre("other"));
  EXPECT_TRUE(connection->logs().purge("u-1"));  // again
}

TEST_P(NatsLogStreamTest, AFollowerKnowsWhenItHasCaughtUpAndHearsWhatComesLater) {
  const auto connection = ready();
  ASSERT_TRUE(connection->logs().append("u", {line("a")}));
  ASSERT_TRUE(connection->logs().append("u", {line("b")}));
  std::vector<std::uint64_t> behind;
  const auto read =
      connection->logs().read("u", true,
                              [&](const std::vector<LogLine>& lines, std::uint64_t left) {
                                behind.push_back(left);
                                if (lines.front().text == "b") {
                                  EXPECT_TRUE(connection->logs().append("u", {line("c")}));
                                }
                                return lines.front().text != "c";
                              },
                              {});
  EXPECT_TRUE(read) << read.error().message;
  EXPECT_THAT(behind, ElementsAre(1, 0, 0));
}

TEST_P(NatsLogStreamTest, RefusesWhatIsTooLargeOrNoUid) {
  const auto connection = ready();
  EXPECT_EQ(connection->logs().append("u", {line(std::string(70'000, 'x'))}).error().reason,
            "EventTooLarge");
  EXPECT_EQ(connection->logs().append("u.>", {line("a")}).error().reason, "EventInvalid");
  EXPECT_EQ(connection->logs().purge("*").error().reason, "EventInvalid");
}

INSTANTIATE_TEST_SUITE_P(Servers, NatsLogStreamTest, ::testing::ValuesIn(testing::nats_binaries()),
                         binary_name);

}  // namespace
}  // namespace tunesmith::bus
