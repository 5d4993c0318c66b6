// An image as it is pulled: which manifest a reference means, and what its layers are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "registry/registry_client.h"
#include "runtime/result.h"

namespace tunesmith::registry {

struct PulledLayer {
  std::string digest;            // "sha256:" and 64 hex digits
  std::uint64_t size_bytes = 0;  // as the manifest says: not to be trusted for an allocation
  std::string media_type;
};

struct PulledImage {
  std::string digest;               // of the manifest
  std::vector<PulledLayer> layers;  // from the lowest to the highest

  std::uint64_t size_bytes() const;
};

// Reads a manifest or an index (OCI, or Docker's of version 2). Of an index: the digest of the
// manifest for linux/amd64, or of the only one there is (attestations, whose platform is unknown,
// do not count). Pure. Permanent `ImageNotReadable`: no such document, schema 1, no fitting
// platform, more than 512 layers, a layer of a kind that is no tar archive.
Result<std::variant<PulledImage, std::string>> read_manifest(const RemoteManifest& manifest,
                                                             const std::string& shown);

// What the client's target means now. Permanent `ImageNotFound`, `ImageAccessDenied`,
// `ImageNotReadable`; else as RegistryClient.
Result<PulledImage> resolve_image(RegistryClient& client, const RegistryCall& call);

// Fetches a layer into `file` (mode 0600): goes on with what an earlier call left there and after a
// cut, proves the digest. Waits out what is transient until call.deadline. Permanent
// `ImageNotReadable` when the registry gives something else; Transient `DiskFull`, `Stopped`.
Result<void> pull_layer(RegistryClient& client, const PulledLayer& layer,
                        const std::filesystem::path& file, const RegistryCall& call);

// Only the first `max_bytes` of it, which no digest proves.
Result<void> pull_layer_head(RegistryClient& client, const PulledLayer& layer,
                             std::uint64_t max_bytes, const std::filesystem::path& file,
                             const RegistryCall& call);

}  // namespace tunesmith::registry
