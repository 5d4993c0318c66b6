#include "runtime/log.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "runtime/text.h"

namespace tunesmith {
namespace {

using nlohmann::json;

TEST(Log, LinesAreJsonWithContextAndTypedFields) {
  auto lines = std::make_shared<std::vector<std::string>>();
  const Log log = Log::to_vector(lines).with({{"workspace", "a/b"}, {"generation", 3L}});
  log.warning("a \"quoted\"\nline\x01", {{"seconds", 1.5}, {"ok", true}, {"empty", ""}});
  ASSERT_EQ(lines->size(), 1u);
  const json line = json::parse(lines->at(0));
  EXPECT_EQ(line["message"], "a \"quoted\"\nline\x01");
  EXPECT_EQ(line["level"], "warning");
  EXPECT_EQ(line["workspace"], "a/b");
  EXPECT_EQ(line["generation"], 3);
  EXPECT_EQ(line["seconds"], 1.5);
  EXPECT_EQ(line["ok"], true);
  EXPECT_EQ(line["empty"], "");
  EXPECT_TRUE(parse_rfc3339(line["time"].get<std::string>()).has_value());
  EXPECT_THAT(lines->at(0), testing::Not(testing::HasSubstr("\n")));
}

TEST(Log, BytesThatAreNoTextStayValidJson) {
  auto lines = std::make_shared<std::vector<std::string>>();
  Log::to_vector(lines).info("bad \xff\xc0\x80 cut \xe2\x82", {{"not_a_number", 0.0 / 0.0}});
  const json line = json::parse(lines->at(0));
  EXPECT_EQ(line["message"], "bad \uFFFD\uFFFD\uFFFD cut \uFFFD\uFFFD");
  EXPECT_TRUE(line["not_a_number"].is_null());
}

TEST(Log, StderrDropsWhatIsBelowItsLevel) {
  testing::internal::CaptureStderr();
  const Log log = Log::to_stderr("planner", LogLevel::kWarning);
  log.info("quiet");
  log.error("loud");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("quiet")));
  EXPECT_EQ(json::parse(text)["service"], "planner");
}

TEST(Log, UnknownLevelNamesMeanInfo) {
  EXPECT_EQ(log_level_from("debug"), LogLevel::kDebug);
  EXPECT_EQ(log_level_from("error"), LogLevel::kError);
  EXPECT_EQ(log_level_from("loud"), LogLevel::kInfo);
}

TEST(Rfc3339, WritesAndReadsTheSameInstant) {
  const std::chrono::system_clock::time_point time{std::chrono::milliseconds(1'769'860'800'123)};
  EXPECT_EQ(rfc3339(time), "2026-01-31T12:00:00.123Z");
  EXPECT_EQ(parse_rfc3339("2026-01-31T12:00:00.123Z"), time);
  EXPECT_EQ(parse_rfc3339("2026-01-31T12:00:00Z"), time - std::chrono::milliseconds(123));
  EXPECT_EQ(parse_rfc3339("2026-01-31T12:00:00.123000000Z"), time);
}

TEST(Rfc3339, RefusesWhatIsNoTime) {
  for (const char* text : {"", "2026-01-31", "2026-13-31T12:00:00Z", "2026-02-30T12:00:00Z",
                           "2026-01-31T25:00:00Z", "2026-01-31T12:00:00", "2026-01-31T12:00:00.Z",
                           "2026-01-31T12:00:00.x1Z", "2026-01-31 12:00:00Z"}) {
    EXPECT_FALSE(parse_rfc3339(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace tunesmith
