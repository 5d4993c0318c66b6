// Reading small files whole, writing files so that they are there whole or not at all, and JSON
// without exceptions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "failure.h"

namespace tunesmith::engine {

// The whole file. Failures (permanent): `missing_reason` when it cannot be opened, `invalid_reason`
// when it is larger than `limit_bytes`.
Result<std::string> read_small_file(const std::filesystem::path& path, std::uint64_t limit_bytes,
                                    std::string_view missing_reason,
                                    std::string_view invalid_reason);

// The file as a JSON object, at most 16 MiB. Failures as above; `invalid_reason` also for anything
// that is no JSON object.
Result<nlohmann::json> read_json_object(const std::filesystem::path& path,
                                        std::string_view missing_reason,
                                        std::string_view invalid_reason);

// Writes the chunks one after the other to a temporary file beside `path`, fsync, rename, fsync of
// the folder. Failure (transient): DiskFull.
Result<void> write_file_atomically(const std::filesystem::path& path,
                                   std::span<const std::span<const std::byte>> chunks);

// fsync of a folder, after which the names in it survive a power cut. Failure (transient):
// DiskFull.
Result<void> sync_folder(const std::filesystem::path& folder);

}  // namespace tunesmith::engine
