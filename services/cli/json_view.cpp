#include "cli/json_view.h"

#include <nlohmann/json.hpp>

namespace tunesmith::cli {

using nlohmann::json;

const json* member(const json& object, const std::string& pointer) {
  const json* at = &object;
  for (std::size_t begin = 1; begin <= pointer.size();) {
    const std::size_t end = std::min(pointer.find('/', begin), pointer.size());
    if (!at->is_object()) return nullptr;
    const auto found = at->find(pointer.substr(begin, end - begin));
    if (found == at->end()) return nullptr;
    at = &*found;
    begin = end + 1;
  }
  return at;
}

std::string text_at(const json& object, const std::string& pointer) {
  const json* value = member(object, pointer);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

std::optional<double> number_at(const json& object, const std::string& pointer) {
  const json* value = member(object, pointer);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->get<double>();
}

std::int64_t integer_at(const json& object, const std::string& pointer) {
  const json* value = member(object, pointer);
  return value != nullptr && value->is_number() ? value->get<std::int64_t>() : 0;
}

const json& array_at(const json& object, const std::string& pointer) {
  static const json kEmpty = json::array();
  const json* value = member(object, pointer);
  return value != nullptr && value->is_array() ? *value : kEmpty;
}

const json* condition(const json& status, const std::string& type) {
  for (const json& item : array_at(status, "/conditions")) {
    if (text_at(item, "/type") == type) return &item;
  }
  return nullptr;
}

std::string condition_status(const json& status, const std::string& type) {
  const json* found = condition(status, type);
  return found == nullptr ? "" : text_at(*found, "/status");
}

}  // namespace tunesmith::cli
