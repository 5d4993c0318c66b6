// JSON lines on standard error: one line per thing that happened, with its context, without
// secrets.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tunesmith {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// A named value of a log line; numbers are written as numbers.
struct LogField {
  LogField(std::string_view name, std::string_view value);
  LogField(std::string_view name, const char* value);
  LogField(std::string_view name, const std::string& value);
  LogField(std::string_view name, double value);
  LogField(std::string_view name, long long value);
  LogField(std::string_view name, int value);
  LogField(std::string_view name, long value);
  LogField(std::string_view name, unsigned long value);
  LogField(std::string_view name, bool value);

  std::string name;
  std::string json;  // the value, already JSON
};

// {"time":"2026-01-31T12:00:00.123Z","level":"info","service":"planner","message":"…", fields…}.
// Thread-safe; cheap to copy.
class Log {
 public:
  // Writes to standard error, lines below `level` are dropped.
  static Log to_stderr(std::string service, LogLevel level);
  // Appends lines to a vector, for tests. Not synchronised with its reader.
  static Log to_vector(std::shared_ptr<std::vector<std::string>> lines);
  static Log silent();

  // A log whose every line also carries these fields.
  Log with(std::initializer_list<LogField> fields) const;
  // A log whose lines `listener` also hears, on the threads that write them; it outlives all
  // copies.
  Log with_listener(std::function<void(std::string_view line)> listener) const;

  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) const;
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) const;
  void warning(std::string_view message, std::initializer_list<LogField> fields = {}) const;
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) const;

 private:
  struct Sink;
  Log(std::shared_ptr<Sink> sink, std::string context);
  void write(LogLevel level, std::string_view message,
             std::initializer_list<LogField> fields) const;

  std::shared_ptr<Sink> sink_;
  std::string context_;  // `,"name":value…`
};

// The level named "debug", "info", "warning" or "error"; info for anything else.
LogLevel log_level_from(std::string_view name);

}  // namespace tunesmith
