// Training data in an image: its layers in the folder shared by all runs on this machine, its data
// files in the run's own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "download.h"
#include "registry/image_pull.h"
#include "registry/registry_session.h"
#include "runtime/clock.h"
#include "runtime/http_client.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::gpu_worker {

struct ImageDataOptions {
  registry::RegistryOptions registry;
  std::filesystem::path secrets_dir;                  // of the pull secrets; empty = there are none
  std::string inspect;                                // tunesmith-inspect, which unpacks
  std::uint64_t data_limit = std::uint64_t{1} << 38;  // of an image's layers, unpacked
  std::chrono::milliseconds secret_limit{std::chrono::minutes(10)};  // for a missing pull secret
};

// Layout of the folder: `layer-<key>` is a complete layer, `….part` one on its way, `….lock` who
// fetches it; the key is a digest of repository and layer. A layer is verified whenever it is used,
// and used only after the registry gave the image's manifest to the Workspace's own credentials.
// Repositories do not share layers: a manifest may name any digest, also that of a layer which
// whoever pushed it cannot read. Several processes may use one folder. Thread-safe; `http` and
// `clock` outlive it.
class ImageData {
 public:
  ImageData(std::filesystem::path cache, ImageDataOptions options, const HttpClient& http,
            const Clock& clock, FetchLimits limits)
      : cache_(std::move(cache)),
        options_(std::move(options)),
        http_(http),
        clock_(clock),
        limits_(limits) {}

  // The data files, sorted by their path in the image, unpacked into `folder` (made anew). The
  // planned digest decides, wherever the tag has gone since. Permanent `ImageNotFound`,
  // `ImageAccessDenied`, `ImageNotReadable`, `ImageTooLarge`, `ImageHasNoData`,
  // `ImageHasNoDataFile`, `PullSecretInvalid`, `SecretMissing` (for too long);
  // Transient `RegistryUnavailable`, `DiskFull`, `Stopped`.
  Result<std::vector<std::filesystem::path>> fetch(const events::v1::ImageData& image,
                                                   const std::string& name_space,
                                                   const std::filesystem::path& folder,
                                                   const FetchListener& listener,
                                                   std::stop_token stop) const;

 private:
  Result<std::filesystem::path> layer(registry::RegistryClient& client,
                                      const registry::PulledLayer& layer,
                                      const registry::RegistryCall& call) const;

  const std::filesystem::path cache_;
  const ImageDataOptions options_;
  const HttpClient& http_;
  const Clock& clock_;
  const FetchLimits limits_;
};

}  // namespace tunesmith::gpu_worker
