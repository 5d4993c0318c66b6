// The whole story of one Workspace, as `tunesmith describe` prints it. Pure.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace tunesmith::cli {

// `object` holds its status; `event_lines` are its last events, oldest first.
std::string describe_text(const nlohmann::json& object, const std::vector<std::string>& event_lines,
                          std::chrono::system_clock::time_point now);

}  // namespace tunesmith::cli
