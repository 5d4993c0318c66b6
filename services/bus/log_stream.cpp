#include "bus/log_stream.h"

#include <nlohmann/json.hpp>

namespace tunesmith::bus {
namespace {

using nlohmann::json;

std::string text_of(const json& line, const char* name) {
  const auto found = line.find(name);
  return found != line.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::string encode_log_lines(const std::vector<LogLine>& lines) {
  json all = json::array();
  for (const LogLine& line : lines) {
    all.push_back({{"time", line.time},
                   {"source", line.source},
                   {"attempt", line.attempt},
                   {"text", line.text}});
  }
  return all.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<std::vector<LogLine>> decode_log_lines(const std::string& payload) {
  const json all = json::parse(payload, nullptr, false);
  if (!all.is_array()) return std::nullopt;
  std::vector<LogLine> lines;
  for (const json& line : all) {
    if (!line.is_object()) return std::nullopt;
    const auto attempt = line.find("attempt");
    const bool counted = attempt != line.end() && attempt->is_number_unsigned();
    lines.push_back({.time = text_of(line, "time"),
                     .source = text_of(line, "source"),
                     .attempt = counted ? attempt->get<std::uint64_t>() : 0,
                     .text = text_of(line, "text")});
  }
  return lines;
}

}  // namespace tunesmith::bus
