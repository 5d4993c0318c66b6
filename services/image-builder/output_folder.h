// The adapter in a folder of this machine (tuning.output.volumeSource, hostPath), instead of an
// image: adapter_config.json, adapter_model.safetensors, README.md and tunesmith.json, which names
// the tuning and the digests of the files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::image_builder {

inline constexpr const char* kFolderManifest = "tunesmith.json";

struct StoredAdapter {
  std::string digest;            // of tunesmith.json, "sha256:<hex>"
  std::uint64_t size_bytes = 0;  // of all files
};

// An output folder, held open: what is written goes there even when somebody puts a link in its
// place meanwhile. One thread at a time; several processes may use one folder.
class OutputFolder {
 public:
  // Makes the folder when it is missing. It must be one of `allowed`, or lie below one, links
  // followed. Proves that files can be written. Files that are not of this tuning are in the way
  // unless the plan's replace_tag allows to overwrite them; others than ours are left alone.
  // Permanent `OutputPathNotAllowed`, `OutputNotWritable`, `OutputFolderTaken`; Transient
  // `DiskFull`.
  static Result<OutputFolder> open(const events::v1::Plan& plan,
                                   const std::vector<std::filesystem::path>& allowed);
  OutputFolder(OutputFolder&& other) noexcept;
  OutputFolder& operator=(OutputFolder&&) = delete;
  ~OutputFolder();

  // This tuning's adapter when it is there whole, every file proved by its digest.
  std::optional<StoredAdapter> stored() const;

  // Writes the files of the archive (see build_adapter_image), each first under a name of its own,
  // then renamed; tunesmith.json last: where it stands, all are there. The same archive and plan
  // give the same bytes. Permanent `AdapterInvalid`, `OutputNotWritable`, `FileUnwritable`,
  // `OutputFolderTaken` (since open()); Transient `DiskFull`, `FileUnreadable`, `OutputFolderBusy`.
  Result<StoredAdapter> write(const std::filesystem::path& adapter_tar) const;

 private:
  OutputFolder(const events::v1::Plan& plan, int fd) : plan_(plan), fd_(fd) {}
  std::filesystem::path path(const std::string& name) const;
  Result<void> prove_writable() const;
  Result<void> check_free() const;

  const events::v1::Plan& plan_;
  int fd_;
};

}  // namespace tunesmith::image_builder
