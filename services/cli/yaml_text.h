// JSON values as YAML, as `kubectl get -o yaml` prints them. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tunesmith::cli {

// Block style, keys in order. A text is quoted when YAML 1.2's core schema (or 1.1's booleans)
// would read something else; texts of several lines become literal blocks. Reading it again gives
// the same value.
std::string to_yaml(const nlohmann::json& value);

}  // namespace tunesmith::cli
