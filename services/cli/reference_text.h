// docs/cli.md: the --help of every command. A test holds the file to it.
#pragma once

#include <string>

namespace tunesmith::cli {

std::string reference_text();

}  // namespace tunesmith::cli
