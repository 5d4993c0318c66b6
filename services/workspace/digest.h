// SHA-256 of a text.
#pragma once

#include <string>
#include <string_view>

namespace tunesmith::workspace {

// Lower-case hex.
std::string sha256_hex(std::string_view bytes);

}  // namespace tunesmith::workspace
