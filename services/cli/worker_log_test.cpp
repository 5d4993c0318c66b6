#include "cli/worker_log.h"

#include <gtest/gtest.h>

#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

bus::LogLine line(const std::string& text, int second = 0, std::uint64_t attempt = 1) {
  const std::string digits = std::to_string(100 + second).substr(1);
  return {"2026-01-31T12:00:" + digits + ".5Z", "engine", attempt, text};
}

std::string texts(const std::vector<bus::LogLine>& lines) {
  std::string all;
  for (const auto& one : lines) all += one.text;
  return all;
}

TEST(WorkerLog, LinesTellTimeSourceAndAttempt) {
  EXPECT_EQ(worker_log_line(line("step 1/2"), Style(false)), "12:00:00  engine  step 1/2");
  EXPECT_EQ(worker_log_line(line("x", 7, 2), Style(false)), "12:00:07  engine #2  x");
  EXPECT_EQ(worker_log_line({"odd", "agent", 0, "x"}, Style(false)), "odd  agent   x");
  EXPECT_EQ(worker_log_line(line("warning: x"), Style(true)),
            "\x1b[2m12:00:00  engine\x1b[0m  \x1b[33mwarning: x\x1b[0m");
  EXPECT_EQ(worker_log_json(line("a\"b")),
            R"({"attempt":1,"source":"engine","text":"a\"b","time":"2026-01-31T12:00:00.5Z"})");
}

TEST(WorkerLog, SinceIsADurationOrATime) {
  const auto now = *parse_rfc3339("2026-01-31T12:00:00Z");
  EXPECT_EQ(*since_time("90s", now), *parse_rfc3339("2026-01-31T11:58:30Z"));
  EXPECT_EQ(*since_time("2h", now), *parse_rfc3339("2026-01-31T10:00:00Z"));
  EXPECT_EQ(*since_time("2026-01-30T00:00:00Z", now), *parse_rfc3339("2026-01-30T00:00:00Z"));
  for (const char* odd : {"", "5", "m", "-1m", "5 m", "5mm", "99999999999d", "yesterday"}) {
    EXPECT_EQ(since_time(odd, now).error().reason, "UsageError") << odd;
  }
}

TEST(LogFilter, ShowsAllAsItComesWithoutATail) {
  LogFilter filter(std::nullopt, -1);
  EXPECT_EQ(texts(filter.add({line("a"), line("b")}, false)), "ab");
  EXPECT_EQ(texts(filter.add({line("c")}, true)), "c");
}

TEST(LogFilter, ATailIsOfWhatIsStoredAndThenAllThatComes) {
  LogFilter filter(std::nullopt, 2);
  EXPECT_EQ(texts(filter.add({line("a"), line("b")}, false)), "");
  EXPECT_EQ(texts(filter.add({line("c")}, true)), "bc");
  EXPECT_EQ(texts(filter.add({line("d"), line("e"), line("f")}, true)), "def");
  LogFilter unfinished(std::nullopt, 1);
  EXPECT_EQ(texts(unfinished.add({line("a"), line("b")}, false)), "");
  EXPECT_EQ(texts(unfinished.finish()), "b");
  LogFilter none(std::nullopt, 0);
  EXPECT_EQ(texts(none.add({line("a")}, true)), "");
  EXPECT_EQ(texts(none.add({line("b")}, true)), "b");
}

TEST(LogFilter, LeavesOutWhatIsOlder) {
  LogFilter filter(parse_rfc3339("2026-01-31T12:00:05Z"), -1);
  EXPECT_EQ(texts(filter.add({line("a", 4), line("b", 5), {"", "agent", 0, "c"}}, true)), "b");
}

}  // namespace
}  // namespace tunesmith::cli
