// What is wrong with a command line, with the nearest thing that would have been right. Pure.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tunesmith::cli {

// `words`: what was typed after the program's name; `problem`: what the parser says of it. Two
// lines: the error, and which --help to read.
std::string usage_error_text(const CLI::App& app, const std::vector<std::string>& words,
                             const std::string& problem);

}  // namespace tunesmith::cli
