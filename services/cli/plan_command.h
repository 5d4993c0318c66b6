// `tunesmith plan`: the planner's own preflight and plan, for a manifest or an applied Workspace.
#pragma once

#include <string>
#include <vector>

#include "cli/session.h"
#include "runtime/result.h"

namespace tunesmith::cli {

struct PlanOptions {
  std::vector<std::string> arguments;  // [workspace] NAME
  std::vector<std::string> files;
  std::string output;  // "", json or yaml
  int timeout_seconds = 60;
  bool namespace_given = false;
};

// Applies, buys and stores nothing. 1 when a Workspace would be refused. Works without a stack,
// then with the planner's defaults for this machine.
Result<int> plan(const CommandContext& context, const PlanOptions& options);

}  // namespace tunesmith::cli
