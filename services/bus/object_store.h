// A JetStream object store in the published layout (NATS ADR-20): readable by the `nats` command
// and by other clients.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::bus {

struct ObjectInfo {
  std::string name{};
  std::uint64_t size_bytes = 0;
  std::string sha256{};    // lower-case hex
  std::string modified{};  // RFC 3339
};

// Buckets are named `ws-<uid>`. Thread-safe. Transient `BusUnavailable`, `StorageFull`, `DiskFull`
// (of a file to be written); Permanent `ObjectMissing`, `ObjectCorrupt` (size or digest differ).
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  // Idempotent. quota_bytes bounds the bucket's stream; 0 = no bound.
  virtual Result<void> create_bucket(const std::string& bucket, std::uint64_t quota_bytes) = 0;
  virtual Result<void> delete_bucket(const std::string& bucket) = 0;  // a missing one is a success
  virtual Result<std::vector<std::string>> buckets() = 0;

  // Replaces an object of that name; the old one stays whole until the new one is complete.
  virtual Result<ObjectInfo> put_file(const std::string& bucket, const std::string& name,
                                      const std::filesystem::path& file, std::stop_token stop) = 0;
  // Written to a temporary name beside `file`, checked by digest, renamed.
  virtual Result<ObjectInfo> get_file(const std::string& bucket, const std::string& name,
                                      const std::filesystem::path& file, std::stop_token stop) = 0;
  virtual Result<std::optional<ObjectInfo>> info(const std::string& bucket,
                                                 const std::string& name) = 0;
  // All of them, or a failure (Transient `Stopped` when the process is being stopped).
  virtual Result<std::vector<ObjectInfo>> list(const std::string& bucket) = 0;
  virtual Result<void> remove(const std::string& bucket, const std::string& name) = 0;
};

}  // namespace tunesmith::bus
