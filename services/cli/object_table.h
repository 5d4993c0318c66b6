// Rows of `tunesmith get`. Pure.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "cli/table.h"

namespace tunesmith::cli {

struct TableOptions {
  bool wide = false;
  bool with_namespace = false;
  std::chrono::system_clock::time_point now;
};

// Workspaces with their status inside. The columns of KAITO's Workspace, then PROGRESS and LOSS;
// wide: also state, why it waits or failed, and image.
Table workspace_table(const std::vector<nlohmann::json>& objects, const TableOptions& options);
Table config_map_table(const std::vector<nlohmann::json>& objects, const TableOptions& options);

}  // namespace tunesmith::cli
