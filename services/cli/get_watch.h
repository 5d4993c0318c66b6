// `tunesmith get -w`.
#pragma once

#include "cli/commands.h"

namespace tunesmith::cli {

// The table of what there is, then a row whenever one changes, until Ctrl-C (0). With json or name:
// one object, or one name, for each change.
Result<int> get_and_watch(const CommandContext& context, const GetOptions& options,
                          const Target& target);

}  // namespace tunesmith::cli
