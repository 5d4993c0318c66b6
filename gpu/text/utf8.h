// UTF-8 checks for text that comes from outside.
#pragma once

#include <cstddef>
#include <string_view>

namespace tunesmith::engine {

// Whether the text is valid UTF-8 as in RFC 3629: no overlong forms, no surrogates, <= U+10FFFF.
bool is_utf8(std::string_view text);

// The longest beginning of at most max_size bytes that does not end inside a character.
std::string_view utf8_prefix(std::string_view text, std::size_t max_size);

}  // namespace tunesmith::engine
