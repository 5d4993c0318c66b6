// Files of this machine that a Workspace names by file:// URLs: only inside folders that the
// operator allows, and only plain files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "runtime/descriptor.h"
#include "runtime/result.h"

namespace tunesmith {

// A plain file, open for reading. One thread at a time.
class LocalFile {
 public:
  // `folders` are the operator's. What is opened, links followed, must lie below one of them, links
  // followed there too; it is judged on the open file, so that nobody can exchange it meanwhile.
  // Permanent `FileNotAllowed` (elsewhere, a folder, a device, a FIFO), `DataNotFound`,
  // `DataAccessDenied`.
  static Result<LocalFile> open(const std::filesystem::path& path,
                                const std::vector<std::string>& folders);

  std::uint64_t size_bytes() const { return size_bytes_; }
  // At most `count` bytes from `offset`; fewer only at the end. Transient `FileUnreadable`.
  Result<std::string> read(std::uint64_t offset, std::size_t count) const;
  // Lower-case hex SHA-256 of all of it. Transient `FileUnreadable`, `Stopped`.
  Result<std::string> sha256(const std::stop_token& stop) const;

 private:
  LocalFile(Descriptor file, std::string shown, std::uint64_t size_bytes)
      : file_(std::move(file)), shown_(std::move(shown)), size_bytes_(size_bytes) {}

  Descriptor file_;
  std::string shown_;
  std::uint64_t size_bytes_;
};

}  // namespace tunesmith
