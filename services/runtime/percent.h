// Percent-encoding: RFC 3986, section 2.1.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tunesmith {

// `text` with %XX (upper case) for every byte that `keeps` does not keep.
std::string percent_encode(std::string_view text, bool (*keeps)(unsigned char byte));
// Letters, digits and -._~ (RFC 3986, section 2.3).
bool is_unreserved(unsigned char byte);

std::string percent_decode(std::string_view text);  // an escape that is none stays as it is
// nullopt for an escape that is none.
std::optional<std::string> percent_decode_strictly(std::string_view text);

}  // namespace tunesmith
