#include "part_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/retry.h"

namespace tunesmith::gpu_worker {

namespace fs = std::filesystem;

Failure write_failure(const fs::path& file, int error) {
  const std::string what = fmt::format("{} cannot be written: {}", file.string(), strerror(error));
  if (error != ENOSPC && error != EDQUOT && error != EFBIG) {
    return {FailureClass::kPermanent, "FileUnwritable", what};
  }
  std::error_code unknown;
  const auto space = fs::space(file.parent_path(), unknown);
  return {FailureClass::kTransient, "DiskFull",
          unknown ? what
                  : fmt::format("{}; {} MiB are free there: make room, it goes on by itself", what,
                                space.available >> 20)};
}

FileLock::FileLock(const fs::path& path)
    : path_(path), fd_(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)), error_(errno) {}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

// The kernel has no way to be woken by both a lock and a stop: it is asked again.
Result<void> FileLock::lock(const std::function<void()>& on_busy,
                            const std::stop_token& stop) const {
  constexpr std::chrono::milliseconds kAskAgain{200};
  if (fd_ < 0) return tl::unexpected(write_failure(path_, error_));
  bool told = false;
  while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    if (!std::exchange(told, true)) on_busy();
    if (!wait_for(kAskAgain, stop)) return transient("Stopped", "the download was stopped");
  }
  return {};
}

Result<PartFile> PartFile::open(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return tl::unexpected(write_failure(path, errno));
  const off_t size = ::lseek(fd, 0, SEEK_END);
  return PartFile(path, fd, size < 0 ? 0 : static_cast<std::uint64_t>(size));
}

PartFile::PartFile(PartFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

PartFile::~PartFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> PartFile::restart() {
  size_ = 0;
  if (::ftruncate(fd_, 0) == 0 && ::lseek(fd_, 0, SEEK_SET) == 0) return {};
  return tl::unexpected(write_failure(path_, errno));
}

Result<void> PartFile::append(std::string_view piece) {
  while (!piece.empty()) {
    const ssize_t written = ::write(fd_, piece.data(), piece.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return tl::unexpected(write_failure(path_, errno));
    size_ += static_cast<std::uint64_t>(written);
    piece.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> PartFile::sync() const {
  if (::fsync(fd_) == 0) return {};
  return tl::unexpected(write_failure(path_, errno));
}

}  // namespace tunesmith::gpu_worker
