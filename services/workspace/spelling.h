// "Did you mean": the nearest of some known words.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tunesmith::workspace {

// ASCII letters in lower case.
std::string lower(std::string_view text);

// Levenshtein distance, bytes.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The word with the smallest distance (the first of equals), letter case ignored; nullopt when none
// is within half of `text`'s length.
std::optional<std::string> nearest(std::string_view text, const std::vector<std::string>& words);

// ", did you mean 'x'?" or "".
std::string suggestion(std::string_view text, const std::vector<std::string>& words);

}  // namespace tunesmith::workspace
