// Reading members of objects that somebody else wrote: what is missing or of another type is simply
// absent. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace tunesmith::cli {

// `pointer` is a JSON pointer, e.g. "/metadata/name".
const nlohmann::json* member(const nlohmann::json& object, const std::string& pointer);
std::string text_at(const nlohmann::json& object, const std::string& pointer);
std::optional<double> number_at(const nlohmann::json& object, const std::string& pointer);
std::int64_t integer_at(const nlohmann::json& object, const std::string& pointer);
// The array there, or an empty one.
const nlohmann::json& array_at(const nlohmann::json& object, const std::string& pointer);

// The condition of that type in status.conditions, or null.
const nlohmann::json* condition(const nlohmann::json& status, const std::string& type);
// Its status: "True", "False", "Unknown" or "".
std::string condition_status(const nlohmann::json& status, const std::string& type);

}  // namespace tunesmith::cli
