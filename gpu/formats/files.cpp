#include "formats/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

namespace tunesmith::engine {
namespace {

constexpr std::uint64_t kJsonLimitBytes = 16ULL << 20;

std::string errno_text() { return std::generic_category().message(errno); }

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<Failure> storage_failed(std::string_view doing, const std::filesystem::path& path) {
  return transient("DiskFull",
                   fmt::format("cannot {} {}: {}; free some space or choose another folder", doing,
                               path.string(), errno_text()));
}

bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

Result<void> write_and_sync(const std::filesystem::path& path,
                            std::span<const std::span<const std::byte>> chunks) {
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0) return storage_failed("create", path);
  for (const auto chunk : chunks) {
    if (!write_all(file.get(), chunk)) return storage_failed("write", path);
  }
  if (::fsync(file.get()) != 0) return storage_failed("write", path);
  return {};
}

}  // namespace

Result<std::string> read_small_file(const std::filesystem::path& path, std::uint64_t limit_bytes,
                                    std::string_view missing_reason,
                                    std::string_view invalid_reason) {
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  if (error || !in) {
    return permanent(std::string(missing_reason),
                     fmt::format("cannot read {}: no such readable file", path.string()));
  }
  if (size > limit_bytes) {
    return permanent(std::string(invalid_reason),
                     fmt::format("{} is {} bytes long, at most {} were expected", path.string(),
                                 size, limit_bytes));
  }
  std::string content(size, '\0');
  in.read(content.data(), static_cast<std::streamsize>(size));
  content.resize(static_cast<std::size_t>(in.gcount()));
  return content;
}

Result<nlohmann::json> read_json_object(const std::filesystem::path& path,
                                        std::string_view missing_reason,
                                        std::string_view invalid_reason) {
  return read_small_file(path, kJsonLimitBytes, missing_reason, invalid_reason)
      .and_then([&](const std::string& text) -> Result<nlohmann::json> {
        try {
          auto json = nlohmann::json::parse(text);
          if (json.is_object()) return json;
          return permanent(std::string(invalid_reason),
                           fmt::format("{} holds a JSON {}, an object was expected", path.string(),
                                       json.type_name()));
        } catch (const nlohmann::json::exception& error) {
          return permanent(std::string(invalid_reason),
                           fmt::format("{} is not JSON: {}", path.string(), error.what()));
        }
      });
}

Result<void> write_file_atomically(const std::filesystem::path& path,
                                   std::span<const std::span<const std::byte>> chunks) {
  std::filesystem::path temporary = path;
  temporary += fmt::format(".tmp-{}", ::getpid());
  Result<void> written = write_and_sync(temporary, chunks);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
    written = storage_failed("rename a file to", path);
  }
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  return sync_folder(path.parent_path());
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path& named = folder.empty() ? std::filesystem::path(".") : folder;
  const FileDescriptor file(::open(named.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0 || ::fsync(file.get()) != 0) return storage_failed("sync the folder", named);
  return {};
}

}  // namespace tunesmith::engine
