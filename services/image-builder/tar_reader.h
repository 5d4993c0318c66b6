// Finds the files of a tar archive (ustar, POSIX.1-1988) on disk without reading their content.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::image_builder {

struct TarEntry {
  std::string name;          // without a leading "./"
  std::uint64_t offset = 0;  // of its first byte in the archive
  std::uint64_t size = 0;
};

// Regular files in archive order, at most 64. Permanent `AdapterInvalid` when the archive is
// damaged, cut short or no tar; Transient `FileUnreadable` when it cannot be read.
Result<std::vector<TarEntry>> list_tar(const std::filesystem::path& archive);

}  // namespace tunesmith::image_builder
