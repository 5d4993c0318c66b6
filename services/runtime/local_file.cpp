#include "runtime/local_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/sha256.h"

namespace tunesmith {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = 1u << 20;

std::string in_proc(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

std::vector<std::string> resolved(const std::vector<std::string>& folders) {
  std::vector<std::string> real;
  for (const auto& folder : folders) {
    std::error_code error;
    const auto path = fs::canonical(folder, error);
    if (!error) real.push_back(path.string());
  }
  return real;
}

// By components; neither follows links. Relative folders allow nothing.
bool lies_inside(const fs::path& path, const std::vector<std::string>& folders) {
  return std::any_of(folders.begin(), folders.end(), [&](const std::string& given) {
    const fs::path folder =
        (fs::path(given) / "").lexically_normal().parent_path();  // without a last slash
    const auto [in_folder, in_path] =
        std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
    return folder.is_absolute() && in_folder == folder.end() && in_path != path.end();
  });
}

}  // namespace

Result<LocalFile> LocalFile::open(const fs::path& path, const std::vector<std::string>& folders) {
  const std::string shown = "file://" + path.string();
  const auto refused = [&](const std::string& what) {
    return permanent("FileNotAllowed", shown + " cannot be used: " + what);
  };
  // O_PATH looks without touching: opening a device or a FIFO may do something.
  const Descriptor place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  const int problem = errno;
  if (!place.open() && !lies_inside(path, folders)) {  // whether it exists is nobody's business
    return refused("it lies in none of the folders that the operator allows");
  }
  if (!place.open() && (problem == ENOENT || problem == ENOTDIR)) {
    return permanent("DataNotFound", "there is no file at " + shown + ": check tuning.input.urls");
  }
  const auto denied = [&](int error) {
    return permanent("DataAccessDenied",
                     shown + " cannot be opened by this service: " + std::strerror(error));
  };
  if (!place.open()) return denied(problem);
  std::error_code error;
  const fs::path real = fs::read_symlink(in_proc(place.get()), error);
  if (error || !lies_inside(real, resolved(folders))) {
    return refused("it lies in none of the folders that the operator allows (allowed_data_paths)");
  }
  struct stat facts {};
  if (::fstat(place.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return refused("it is no plain file");
  }
  Descriptor file(::open(in_proc(place.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) return denied(errno);
  return LocalFile(std::move(file), shown, static_cast<std::uint64_t>(facts.st_size));
}

Result<std::string> LocalFile::read(std::uint64_t offset, std::size_t count) const {
  std::string bytes(count, '\0');
  std::size_t size = 0;
  while (size < count) {
    const ssize_t got =
        ::pread(file_.get(), bytes.data() + size, count - size, static_cast<off_t>(offset + size));
    if (got < 0) return transient("FileUnreadable", shown_ + ": " + std::strerror(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  bytes.resize(size);
  return bytes;
}

Result<std::string> LocalFile::sha256(const std::stop_token& stop) const {
  Sha256 digest;
  for (std::uint64_t offset = 0;;) {
    if (stop.stop_requested()) return transient("Stopped", "reading " + shown_ + " was stopped");
    const auto piece = read(offset, kPiece);
    if (!piece) return tl::unexpected(piece.error());
    if (piece->empty()) return digest.hex();
    digest.update(*piece);
    offset += piece->size();
  }
}

}  // namespace tunesmith
