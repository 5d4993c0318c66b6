// Files of the download cache: who fetches one, and the one on its way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string_view>

#include "runtime/result.h"

namespace tunesmith::gpu_worker {

// What an errno of a write means. Transient `DiskFull` (no space, quota, file size limit) says how
// much is free; anything else is Permanent `FileUnwritable`.
Failure write_failure(const std::filesystem::path& file, int error);

// Held while a file is fetched; the kernel lets go of it when the process dies.
class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  // Waits; `on_busy` is called once when another holds it. Transient `Stopped`, or as
  // write_failure.
  Result<void> lock(const std::function<void()>& on_busy, const std::stop_token& stop) const;

 private:
  std::filesystem::path path_;
  int fd_;
  int error_;
};

// Mode 0600, opened for appending to what an earlier download left.
class PartFile {
 public:
  static Result<PartFile> open(const std::filesystem::path& path);
  PartFile(PartFile&& other) noexcept;
  PartFile& operator=(PartFile&&) = delete;
  ~PartFile();

  std::uint64_t size() const { return size_; }
  // Drops all that is there.
  Result<void> restart();
  Result<void> append(std::string_view piece);
  // To the disk: a file that is called complete is so after a power cut too.
  Result<void> sync() const;

 private:
  PartFile(std::filesystem::path path, int fd, std::uint64_t size)
      : path_(std::move(path)), fd_(fd), size_(size) {}

  std::filesystem::path path_;
  int fd_;
  std::uint64_t size_;
};

}  // namespace tunesmith::gpu_worker
