// Folders in work_dir, one for each push under way: they hold the adapter and its layer.
#pragma once

#include <filesystem>
#include <string>

#include "runtime/result.h"

namespace tunesmith::image_builder {

// A folder of one push, gone with it.
class PushFolder {
 public:
  // Of its own for every call: a Workspace may have several pushes under way, of two passes or
  // generations. Permanent `EventInvalid` (a uid that would lead out of work_dir); Transient
  // `DiskFull`.
  static Result<PushFolder> make(const std::filesystem::path& work_dir, const std::string& uid);
  PushFolder(PushFolder&& other) noexcept;
  PushFolder& operator=(PushFolder&&) = delete;
  ~PushFolder();

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit PushFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
};

// Makes work_dir, without what a killed predecessor left there. Permanent `ConfigInvalid`.
Result<void> empty_work_dir(const std::filesystem::path& work_dir);

}  // namespace tunesmith::image_builder
