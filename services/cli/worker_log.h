// The log lines of workers as people read them. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "bus/log_stream.h"
#include "cli/style.h"
#include "runtime/result.h"

namespace tunesmith::cli {

// "12:00:01  engine #2  step 4/120 …"; the attempt stands there from the second on.
std::string worker_log_line(const bus::LogLine& line, const Style& style);
// One JSON object on one line.
std::string worker_log_json(const bus::LogLine& line);

// "30s", "10m", "2h", "1d" before `now`, or an RFC 3339 time. Permanent `UsageError`.
Result<std::chrono::system_clock::time_point> since_time(const std::string& text,
                                                         std::chrono::system_clock::time_point now);

// Which of the lines are shown: not older than `since`, and of what is stored at the start only the
// last `tail` ones.
class LogFilter {
 public:
  LogFilter(std::optional<std::chrono::system_clock::time_point> since, std::int64_t tail)
      : since_(since), tail_(tail) {}

  // What is to be printed now. `caught_up`: nothing stored is behind this batch.
  std::vector<bus::LogLine> add(const std::vector<bus::LogLine>& lines, bool caught_up);
  // What is held back when all was read.
  std::vector<bus::LogLine> finish();

 private:
  const std::optional<std::chrono::system_clock::time_point> since_;
  const std::int64_t tail_;  // negative = all
  bool live_ = false;        // nothing is held back any more
  std::deque<bus::LogLine> held_;
};

}  // namespace tunesmith::cli
