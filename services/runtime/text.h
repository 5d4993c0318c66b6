// Small things every part says to people and machines: RFC 3339 times, JSON strings, files that are
// whole or not there.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/result.h"

namespace tunesmith {

// "2026-01-31T12:00:00.123Z".
std::string rfc3339(std::chrono::system_clock::time_point time);
// Reads "2026-01-31T12:00:00Z" with or without a fraction (any number of digits, cut to
// nanoseconds); UTC ("Z") only.
std::optional<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text);

// Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). JSON text and Protobuf strings
// of anything else cannot be read.
bool is_utf8(std::string_view text);
// `text` with U+FFFD for every byte that does not belong to well-formed UTF-8.
std::string valid_utf8(std::string_view text);

// Appends `text` as the inside of a JSON string. Bytes that are not UTF-8 become U+FFFD.
void append_json_escaped(std::string& out, std::string_view text);

// Replaces `file` in one step: readers see the old or the new content. New files get `mode`,
// whatever the umask. Permanent `FileUnwritable`; Transient `DiskFull`.
Result<void> write_file(const std::filesystem::path& file, std::string_view content,
                        unsigned mode = 0600);
// Permanent `FileUnreadable`, also when it is larger than max_bytes.
Result<std::string> read_file(const std::filesystem::path& file, std::size_t max_bytes = 16u << 20);

}  // namespace tunesmith
