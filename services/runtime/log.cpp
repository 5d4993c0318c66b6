#include "runtime/log.h"

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <ctime>

#include "runtime/text.h"

namespace tunesmith {
namespace {

std::string json_string(std::string_view text) {
  std::string out = "\"";
  append_json_escaped(out, text);
  out += '"';
  return out;
}

std::string json_number(double value) {
  if (!std::isfinite(value)) return "null";
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

const char* name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

}  // namespace

LogField::LogField(std::string_view name, std::string_view value)
    : name(name), json(json_string(value)) {}
LogField::LogField(std::string_view name, const char* value)
    : LogField(name, std::string_view(value)) {}
LogField::LogField(std::string_view name, const std::string& value)
    : LogField(name, std::string_view(value)) {}
LogField::LogField(std::string_view name, double value) : name(name), json(json_number(value)) {}
LogField::LogField(std::string_view name, long long value)
    : name(name), json(std::to_string(value)) {}
LogField::LogField(std::string_view name, int value) : name(name), json(std::to_string(value)) {}
LogField::LogField(std::string_view name, long value) : name(name), json(std::to_string(value)) {}
LogField::LogField(std::string_view name, unsigned long value)
    : name(name), json(std::to_string(value)) {}
LogField::LogField(std::string_view name, bool value)
    : name(name), json(value ? "true" : "false") {}

struct Log::Sink {
  std::string service;
  LogLevel level = LogLevel::kDebug;
  bool to_stderr = false;
  std::shared_ptr<std::vector<std::string>> lines;
  std::vector<std::function<void(std::string_view line)>> listeners;

  bool wants(LogLevel wanted) const {
    return wanted >= level && (to_stderr || lines != nullptr || !listeners.empty());
  }

  // One write(2) per line: lines of several threads and processes in one file do not mix.
  void put(std::string line) const {
    for (const auto& listener : listeners) listener(line);
    if (lines != nullptr) lines->push_back(line);
    if (!to_stderr) return;
    line += '\n';
    for (std::string_view rest = line; !rest.empty();) {
      const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
      if (written <= 0) return;  // nobody is left to be told
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  }
};

Log::Log(std::shared_ptr<Sink> sink, std::string context)
    : sink_(std::move(sink)), context_(std::move(context)) {}

Log Log::to_stderr(std::string service, LogLevel level) {
  auto sink = std::make_shared<Sink>();
  sink->service = std::move(service);
  sink->level = level;
  sink->to_stderr = true;
  return {std::move(sink), ""};
}

Log Log::to_vector(std::shared_ptr<std::vector<std::string>> lines) {
  auto sink = std::make_shared<Sink>();
  sink->service = "test";
  sink->lines = std::move(lines);
  return {std::move(sink), ""};
}

Log Log::silent() { return {std::make_shared<Sink>(), ""}; }

Log Log::with(std::initializer_list<LogField> fields) const {
  std::string context = context_;
  for (const LogField& field : fields) context += "," + json_string(field.name) + ":" + field.json;
  return {sink_, std::move(context)};
}

Log Log::with_listener(std::function<void(std::string_view line)> listener) const {
  auto sink = std::make_shared<Sink>(*sink_);
  sink->listeners.push_back(std::move(listener));
  return {std::move(sink), context_};
}

void Log::write(LogLevel level, std::string_view message,
                std::initializer_list<LogField> fields) const {
  if (!sink_->wants(level)) return;
  std::string line = R"({"time":")" + rfc3339(std::chrono::system_clock::now()) + R"(","level":")" +
                     name_of(level) + R"(","service":)" + json_string(sink_->service) +
                     R"(,"message":)" + json_string(message);
  line += context_;
  for (const LogField& field : fields) line += "," + json_string(field.name) + ":" + field.json;
  line += '}';
  sink_->put(std::move(line));
}

void Log::debug(std::string_view message, std::initializer_list<LogField> fields) const {
  write(LogLevel::kDebug, message, fields);
}
void Log::info(std::string_view message, std::initializer_list<LogField> fields) const {
  write(LogLevel::kInfo, message, fields);
}
void Log::warning(std::string_view message, std::initializer_list<LogField> fields) const {
  write(LogLevel::kWarning, message, fields);
}
void Log::error(std::string_view message, std::initializer_list<LogField> fields) const {
  write(LogLevel::kError, message, fields);
}

LogLevel log_level_from(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

}  // namespace tunesmith
