// What becomes of a line before it leaves this machine: short, without control characters and
// without what could be a secret. Pure.
#pragma once

#include <string>
#include <string_view>

#include "engine_line.h"

namespace tunesmith::gpu_worker {

// The longest line that is published, in bytes; longer ones end in "…".
inline constexpr std::size_t kLongestLogLine = 2'000;

// Control characters become spaces (a terminal would obey them), URLs lose user, query and
// fragment, what follows "Bearer" or "Basic" and tokens of the model hub (hf_…) become "***".
std::string safe_log_text(std::string_view line);

// The engine's JSON line for people; empty for what only says that it is alive.
std::string log_text_of(const EngineLine& line);

// A line of Log for people: "warning: MESSAGE  name=value …", without what every line of a run has.
std::string agent_log_text(std::string_view json_line);

}  // namespace tunesmith::gpu_worker
