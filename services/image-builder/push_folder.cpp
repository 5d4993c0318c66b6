#include "image-builder/push_folder.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "runtime/file_name.h"

namespace tunesmith::image_builder {

namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "push-";

}  // namespace

Result<PushFolder> PushFolder::make(const fs::path& work_dir, const std::string& uid) {
  if (!is_plain_file_name(uid)) {
    return permanent("EventInvalid", "'" + uid + "' is no uid that could name a folder");
  }
  std::string name = (work_dir / (kPrefix + uid + "-XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) {
    return transient("DiskFull", "cannot make a folder in " + work_dir.string() + ": " +
                                     std::strerror(errno) + " (key work_dir)");
  }
  return PushFolder(std::move(name));
}

PushFolder::PushFolder(PushFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}

PushFolder::~PushFolder() {
  std::error_code ignored;  // what is left is removed at the next start
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

Result<void> empty_work_dir(const fs::path& work_dir) {
  std::error_code error;
  fs::create_directories(work_dir, error);
  for (const auto& entry : fs::directory_iterator(work_dir, error)) {
    if (entry.path().filename().string().starts_with(kPrefix)) {
      fs::remove_all(entry.path(), error);
    }
  }
  if (error) {
    return permanent("ConfigInvalid", "work_dir " + work_dir.string() + ": " + error.message());
  }
  return {};
}

}  // namespace tunesmith::image_builder
