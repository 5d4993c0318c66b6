#include "run_folder.h"

#include <algorithm>

#include "runtime/file_name.h"

namespace tunesmith::gpu_worker {

namespace fs = std::filesystem;

Result<RunFolder> RunFolder::create(const fs::path& work_dir, const std::string& uid) {
  if (!is_plain_file_name(uid)) {
    return permanent("EventInvalid", "'" + uid + "' is no uid that could name a folder");
  }
  RunFolder folder(work_dir / uid);
  std::error_code error;
  fs::remove_all(folder.path_, error);
  for (const auto& part : {folder.model(), folder.data(), folder.output()}) {
    fs::create_directories(part, error);
    if (error) {
      return transient("DiskFull", "could not make " + part.string() + ": " + error.message());
    }
  }
  fs::permissions(folder.path_, fs::perms::owner_all, error);
  return folder;
}

RunFolder::~RunFolder() {
  std::error_code error;
  if (!path_.empty()) fs::remove_all(path_, error);
}

Result<void> empty_work_dir(const fs::path& work_dir) {
  std::error_code error;
  fs::create_directories(work_dir, error);
  for (const auto& entry : fs::directory_iterator(work_dir, error)) {
    fs::remove_all(entry.path(), error);
    if (error) break;
  }
  if (error)
    return transient("DiskFull", "could not empty " + work_dir.string() + ": " + error.message());
  return {};
}

Result<fs::path> place_file(const fs::path& cached, const fs::path& folder,
                            const std::string& relative_path) {
  const fs::path relative = fs::path(relative_path).lexically_normal();
  const bool leaves = relative.empty() || relative.is_absolute() || *relative.begin() == "..";
  if (leaves) {
    return permanent("PlanInvalid", "expected a relative path inside the folder, found '" +
                                        relative_path + "' in the plan's file list");
  }
  std::error_code error;
  const fs::path target = folder / relative;
  fs::create_directories(target.parent_path(), error);
  fs::remove(target, error);  // of an attempt before
  // A hard link keeps the content when the cache is emptied; across file systems there is none.
  fs::create_hard_link(cached, target, error);
  if (error) fs::create_symlink(fs::absolute(cached), target, error);
  if (error)
    return transient("DiskFull", "could not link " + target.string() + ": " + error.message());
  return target;
}

}  // namespace tunesmith::gpu_worker
