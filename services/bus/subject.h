// NATS subjects and key-value keys as text.
#pragma once

#include <string_view>

namespace tunesmith::bus {

// Whether `subject` matches `pattern`, in which a token "*" stands for any one token and a last
// token ">" for one or more.
bool subject_matches(std::string_view pattern, std::string_view subject);

// A key that every key-value client accepts: [-/_=.a-zA-Z0-9]+ without leading, trailing or double
// dot.
bool is_valid_key(std::string_view key);

// One token of a subject: not empty, no dot, wildcard, white space or control character.
bool is_valid_token(std::string_view token);

}  // namespace tunesmith::bus
