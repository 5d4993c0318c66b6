// Fetches what a plan names into a folder shared by all runs on this machine: proved by size and
// SHA-256, and given only to whom the host gives it too.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "download.h"
#include "runtime/access.h"
#include "runtime/clock.h"
#include "runtime/http_client.h"
#include "runtime/local_file.h"
#include "runtime/log.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::gpu_worker {

// Whose files a cache holds.
struct CacheRules {
  // The hub is the operator's: what it says of a content's SHA-256 names the file, so that
  // repositories share weights. A data host is anybody's: its files are named by URL too, or a host
  // could claim the digest of a file that it may not read and be given it.
  AccessTo from = AccessTo::kData;
  std::vector<std::string> allowed_data_paths{};  // folders for file:// URLs
};

// Layout of the folder (0700; files 0600): `<key>` is a complete file, `<key>.facts` its SHA-256
// and whether a secret opened it, `<key>.part` one on its way, `<key>.lock` who fetches it. Keys
// are digests; no name tells of a URL or secret. A file that nothing identifies (no SHA-256, no
// entity tag) is fetched anew each time. Several processes may use one folder. Thread-safe.
class FileCache {
 public:
  // All references outlive the cache.
  FileCache(const std::filesystem::path& folder, const HttpClient& http, const Clock& clock,
            Log log, FetchLimits limits, CacheRules rules = {});

  // The path of the complete file, whose content was verified by this call: a cached one is read
  // again, and fetched anew when it is damaged. One that a secret opened is given only after the
  // host gave its first byte to `access` (docs/decisions/0005). Failures as those of Download, and
  // Permanent `ChecksumMismatch`, `FileNotAllowed`; Transient `Stopped`.
  Result<std::filesystem::path> fetch(const events::v1::RemoteFile& file,
                                      const FetchListener& listener, std::stop_token stop,
                                      const Access& access = {}) const;

 private:
  struct Entry;
  Result<bool> is_usable(const Entry& entry, const std::stop_token& stop) const;
  Result<LocalFile> open_local(const Entry& entry) const;
  Result<void> prove_access(const Entry& entry, const std::stop_token& stop) const;
  Result<void> bring(const Entry& entry, const std::stop_token& stop) const;
  Result<void> copy(const Entry& entry, const std::stop_token& stop) const;
  Result<std::string> verified_digest(const Entry& entry, const std::stop_token& stop) const;
  Result<void> keep(const Entry& entry, const std::string& sha256) const;

  std::filesystem::path folder_;
  const HttpClient& http_;
  const Clock& clock_;
  const Log log_;
  FetchLimits limits_;
  const CacheRules rules_;
};

}  // namespace tunesmith::gpu_worker
