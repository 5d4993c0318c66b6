// The folder of one run: inputs laid out as the engine expects them, outputs, removed with the run.
#pragma once

#include <filesystem>
#include <string>

#include "runtime/result.h"

namespace tunesmith::gpu_worker {

class RunFolder {
 public:
  // Makes `<work_dir>/<uid>` anew, 0700; what an earlier, killed run of the same Workspace left is
  // removed.
  static Result<RunFolder> create(const std::filesystem::path& work_dir, const std::string& uid);
  RunFolder(RunFolder&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  RunFolder& operator=(RunFolder&&) = delete;
  ~RunFolder();

  std::filesystem::path model() const { return path_ / "model"; }
  std::filesystem::path data() const { return path_ / "data"; }
  std::filesystem::path output() const { return path_ / "output"; }
  std::filesystem::path job_file() const { return path_ / "job.json"; }
  std::filesystem::path engine_log() const { return path_ / "engine.log"; }
  std::filesystem::path resume_file() const { return path_ / "resume.safetensors"; }
  std::filesystem::path archive() const { return path_ / "adapter.tar"; }

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// Removes what runs of a worker that was killed left behind; called once at the start of the
// process, whose own folder it is.
Result<void> empty_work_dir(const std::filesystem::path& work_dir);

// Puts a cached file into `folder` under a plan's relative path, as a link; what an attempt before
// put there is replaced. Permanent `PlanInvalid` when the path leaves the folder.
Result<std::filesystem::path> place_file(const std::filesystem::path& cached,
                                         const std::filesystem::path& folder,
                                         const std::string& relative_path);

}  // namespace tunesmith::gpu_worker
