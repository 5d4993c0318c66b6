// `tunesmith up` and `tunesmith down`.
#pragma once

#include <iosfwd>

#include "cli/stack_options.h"
#include "runtime/result.h"

namespace tunesmith::cli {

// Starts the stack and returns when all of it is ready, or says that it already runs. What is
// missing or failed is in the failure.
Result<void> up(const StackOptions& options, std::ostream& out);

// Stops exactly the stack of this folder; none running is a success.
Result<void> down(const std::filesystem::path& dir, std::ostream& out);

}  // namespace tunesmith::cli
