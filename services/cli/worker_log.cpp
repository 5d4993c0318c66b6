#include "cli/worker_log.h"

#include <charconv>
#include <iterator>
#include <nlohmann/json.hpp>

#include "runtime/text.h"

namespace tunesmith::cli {

std::string worker_log_line(const bus::LogLine& line, const Style& style) {
  const std::string time = line.time.size() >= 19 ? line.time.substr(11, 8) : line.time;
  std::string who = line.source;
  who.resize(std::max<std::size_t>(who.size(), 6), ' ');
  if (line.attempt > 1) who += " #" + std::to_string(line.attempt);
  const bool warning = line.text.starts_with("warning: ");
  const bool error = line.text.starts_with("error: ") || line.text.starts_with("failed: ");
  const std::string text = error     ? style.bad(line.text)
                           : warning ? style.warn(line.text)
                                     : line.text;
  return style.dim(time + "  " + who) + "  " + text;
}

std::string worker_log_json(const bus::LogLine& line) {
  return nlohmann::json{
      {"time", line.time}, {"source", line.source}, {"attempt", line.attempt}, {"text", line.text}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<std::chrono::system_clock::time_point> since_time(
    const std::string& text, std::chrono::system_clock::time_point now) {
  if (const auto time = parse_rfc3339(text)) return *time;
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string unit(end, text.data() + text.size());
  const std::int64_t seconds = unit == "s"   ? 1
                               : unit == "m" ? 60
                               : unit == "h" ? 3'600
                               : unit == "d" ? 86'400
                                             : 0;
  constexpr std::int64_t kMost = 1'000'000;
  if (error != std::errc() || count < 0 || count > kMost || seconds == 0) {
    return permanent("UsageError",
                     "--since: expected a duration like 30s, 10m, 2h or 1d, or a time like "
                     "2026-01-31T12:00:00Z, found '" +
                         text + "'");
  }
  return now - std::chrono::seconds(count * seconds);
}

std::vector<bus::LogLine> LogFilter::add(const std::vector<bus::LogLine>& lines, bool caught_up) {
  for (const bus::LogLine& line : lines) {
    const auto time = parse_rfc3339(line.time);
    if (since_ && (!time || *time < *since_)) continue;
    held_.push_back(line);
    if (!live_ && tail_ >= 0 && held_.size() > static_cast<std::size_t>(tail_)) held_.pop_front();
  }
  if (!live_ && !caught_up && tail_ >= 0) return {};
  live_ = live_ || caught_up;
  return finish();
}

std::vector<bus::LogLine> LogFilter::finish() {
  std::vector<bus::LogLine> lines(std::make_move_iterator(held_.begin()),
                                  std::make_move_iterator(held_.end()));
  held_.clear();
  return lines;
}

}  // namespace tunesmith::cli
