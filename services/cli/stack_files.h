// The files a local stack is made of: folders, passwords, configurations, and the list of what is
// to run.
#pragma once

#include <optional>

#include "cli/stack_options.h"
#include "cli/stack_state.h"
#include "runtime/result.h"

namespace tunesmith::cli {

// Host name by which manifests reach the stack's registry.
inline constexpr const char* kRegistryName = "registry.tunesmith.internal";
// Name of the push secret that every stack has, in namespace default.
inline constexpr const char* kRegistrySecret = "demo-registry";

// Writes everything under options.dir (files with secrets: mode 0600) and returns what the
// supervisor is to run, in the order of starting. Passwords and ports of `before` are kept where
// that is possible. Permanent `ProgramMissing` names what is not installed; `FileUnwritable`,
// `AddressInUse`.
Result<StackState> prepare_stack(const StackOptions& options,
                                 const std::optional<StackState>& before);

}  // namespace tunesmith::cli
