// Names from events and objects that become part of a path.
#pragma once

#include <algorithm>
#include <string_view>

namespace tunesmith {

// True for what can only be one name inside a folder: 1 to 128 of A-Z a-z 0-9 - _ (as in uids and
// tuning keys). "..", "/etc" and "" would lead elsewhere.
inline bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

}  // namespace tunesmith
