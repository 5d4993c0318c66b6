// Base64 (RFC 4648, section 4) as HTTP and docker configs write it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tunesmith {

std::string base64_encode(std::string_view bytes);
// nullopt when it is none: padding is expected, line breaks are not.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace tunesmith
