// The whole story of one Workspace, as `tunesmith describe` prints it. Pure.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/describe_output.h"
#include "cli/style.h"

namespace tunesmith::cli {

struct DescribeLook {
  Style style{false};
  std::optional<LocalRegistry> registry{};  // of the local stack
};

// `object` holds its status; `event_lines` are its last events, oldest first.
std::string describe_text(const nlohmann::json& object, const std::vector<std::string>& event_lines,
                          std::chrono::system_clock::time_point now, const DescribeLook& look = {});

}  // namespace tunesmith::cli
