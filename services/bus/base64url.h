// The base64url and hex spellings of names and digests in the object store's published layout.
#pragma once

#include <string>
#include <string_view>

namespace tunesmith::bus {

// RFC 4648 section 5, with padding (as Go's base64.URLEncoding).
std::string to_base64url(std::string_view bytes);
std::string from_base64url(std::string_view text);  // empty when it is no base64url text

std::string to_hex(std::string_view bytes);  // lower case
std::string from_hex(std::string_view hex);  // empty when it is no lower-case hex text

}  // namespace tunesmith::bus
