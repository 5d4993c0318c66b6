// Well-formed UTF-8: JSON text of anything else cannot be written.
#pragma once

#include <string_view>

namespace tunesmith::workspace {

bool is_utf8(std::string_view text);

}  // namespace tunesmith::workspace
