// What `tunesmith plan` tells. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/style.h"
#include "planner/plan.h"
#include "runtime/result.h"

namespace tunesmith::cli {

// {"namespace", "name", "refused": null, "plan": {…}}: the plan with the names of status.plan where
// there are such. URLs without their query.
nlohmann::json plan_report(const planner::TuningRequest& request, const planner::Facts& facts,
                           const events::v1::Plan& plan, const planner::Inventory& inventory);
// {"namespace", "name", "refused": {"reason", "message", "whatToDo"}}; a plan for the parts that
// are known is left out.
nlohmann::json refusal_report(const std::string& name_space, const std::string& name,
                              const Failure& failure);

std::string plan_text(const nlohmann::json& report, const Style& style);

}  // namespace tunesmith::cli
