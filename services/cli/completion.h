// What a shell offers while a command line is typed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/session.h"
#include "runtime/result.h"

namespace CLI {
class App;
}

namespace tunesmith::cli {

// The script for bash, zsh or fish. It calls `tunesmith __complete -- WORDS`.
std::string completion_script(const std::string& shell);

// What may stand at the place of the last word, which begins like it. ":files" alone = names of
// files. `names`: called for names of live objects of a kind, at most once. Pure.
std::vector<std::string> completions(
    const CLI::App& app, const std::vector<std::string>& words,
    const std::function<std::vector<std::string>(Kind kind, const std::string& name_space)>& names);

// `__complete`: the candidates, one a line; never a failure, a shell shows none.
Result<int> complete_words(const CommandContext& context, const std::vector<std::string>& words);

}  // namespace tunesmith::cli
