// tuning.input.image: which image it is now, may it be pulled, and can its /data be learnt from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "planner/inspection.h"
#include "planner/other_data.h"
#include "planner/retries.h"
#include "registry/registry_session.h"
#include "runtime/http_client.h"
#include "runtime/result.h"
#include "workspace/workspace.h"

namespace tunesmith::planner {

struct ImageSourceOptions {
  registry::RegistryOptions registry;
  std::filesystem::path secrets_dir;  // of the pull secrets; empty = there are none
  std::filesystem::path work_dir;     // layers and what is in them, for as long as one look takes
  std::string inspect;                // tunesmith-inspect
  // Layers of at most so many bytes in all are pulled and their rows counted; of larger images only
  // the beginning of each layer is looked at.
  std::uint64_t look_bytes = 256u << 20;
  std::uint64_t head_bytes = 16u << 20;
  std::uint64_t unpacked_bytes = 2ull << 30;  // of what is looked at
};

// Thread-safe; `http` outlives it.
class ImageSource {
 public:
  ImageSource(ImageSourceOptions options, const HttpClient& http)
      : options_(std::move(options)), http_(http) {}

  // Retries inside `patience`. Permanent `ImageReferenceInvalid`, `ImageNotFound`,
  // `ImageAccessDenied`, `ImageNotReadable`, `ImageTooLarge`, `ImageHasNoData`,
  // `ImageHasNoDataFile`, `PullSecretInvalid`, and what tunesmith-inspect says of the files;
  // Transient `SecretMissing`, `RegistryUnavailable`, `DiskFull`, `Stopped`.
  Result<OtherData> look(const std::string& name_space, const workspace::DataSource& input,
                         const Patience& patience) const;

 private:
  const ImageSourceOptions options_;
  const HttpClient& http_;
};

}  // namespace tunesmith::planner
