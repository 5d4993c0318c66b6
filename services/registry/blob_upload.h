// One blob on its way into a registry (OCI distribution 1.1, "Pushing blobs"): begun, sent, cut,
// resumed, committed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "registry/registry_session.h"
#include "runtime/result.h"

namespace tunesmith::registry {

struct Blob {
  std::string digest;
  std::uint64_t size_bytes = 0;
  // At most `max` bytes from `offset`; fewer only at the end or when they cannot be read.
  std::function<std::string(std::uint64_t offset, std::size_t max)> read;

  static Blob of_bytes(std::string digest, std::string bytes);
  static Blob of_file(std::string digest, std::uint64_t size_bytes,
                      const std::filesystem::path& file);
};

// True when the repository has the blob.
Result<bool> has_blob(RegistrySession& session, const Blob& blob, const RegistryCall& call);

// Makes the repository have the blob: nothing is sent when it has it; up to single_put_bytes in one
// PUT, more in chunks; after a cut it asks the registry how far it is and goes on from there, or
// begins anew when the registry has forgotten the upload. Permanent failures of registry_failure;
// Transient ones when the deadline is over; `Stopped`.
Result<void> upload_blob(RegistrySession& session, const Blob& blob, const RegistryCall& call);

}  // namespace tunesmith::registry
