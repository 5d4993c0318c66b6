// What the files of the admission rules share: members, words, names.
#include "workspace/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "workspace/spelling.h"

namespace tunesmith::workspace {

using nlohmann::json;

const json& member_of(const json& object, const char* name) {
  static const json kNull;
  if (!object.is_object()) {
    return kNull;
  }
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

const json& typed_member(const json& object, const std::string& path, const char* name,
                         JsonKind kind, Admission& admission) {
  static const json kNull;
  const json& value = member_of(object, name);
  const bool fits = kind == JsonKind::kMapping ? value.is_object()
                    : kind == JsonKind::kList  ? value.is_array()
                                               : value.is_string();
  if (value.is_null() || fits) {
    return value;
  }
  admission.refuse(Rule::kFieldType, fmt::format("{}.{}: expected {}, found {}", path, name,
                                                 kind == JsonKind::kMapping ? "a mapping"
                                                 : kind == JsonKind::kList  ? "a list"
                                                                            : "text (quote it)",
                                                 shown(value)));
  return kNull;
}

namespace {

std::string cut(std::string_view text) {
  constexpr std::size_t kShown = 120;
  if (text.size() <= kShown) {
    return std::string(text);
  }
  std::size_t end = kShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    --end;  // not inside a character
  }
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace

std::string in_quotes(std::string_view text) { return "'" + cut(text) + "'"; }

std::string shown(const json& value) {
  if (value.is_null()) {
    return "none";
  }
  return value.is_string() ? in_quotes(value.get_ref<const std::string&>())
                           : cut(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::string sentence(const std::string& where, const std::string& expected,
                     const std::string& found, const std::string& advice) {
  return fmt::format("{}: expected {}, found {}; {}", where, expected, found, advice);
}

bool is_dns_label(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 63 && letter(text.front()) && letter(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || c == '-'; });
}

bool is_dns_subdomain(std::string_view text) {
  if (text.size() > 253) {
    return false;
  }
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    if (!is_dns_label(text.substr(begin, end - begin))) {
      return false;
    }
    begin = end + 1;
  }
  return true;
}

void warn_of_unknown(const json& object, const std::string& path,
                     const std::vector<std::string>& known, Admission& admission) {
  if (!object.is_object()) {
    return;
  }
  for (const auto& [name, value] : object.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      admission.warnings.push_back(fmt::format("{}{}{} is no field of a Workspace and is ignored{}",
                                               path, path.empty() ? "" : ".", name,
                                               suggestion(name, known)));
    }
  }
}

}  // namespace tunesmith::workspace
