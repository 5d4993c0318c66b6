// Fetches what a plan names into a folder shared by all runs on this node: resumed after a cut,
// proved by size and SHA-256.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>

#include "runtime/clock.h"
#include "runtime/http_client.h"
#include "runtime/log.h"
#include "runtime/result.h"
#include "runtime/retry.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::gpu_worker {

struct FetchLimits {
  std::chrono::milliseconds deadline{std::chrono::hours(2)};  // of one file, all retries together
  BackoffPolicy backoff;
};

struct FetchListener {
  // How many bytes of this file are there; a file that was cached is told once.
  std::function<void(std::uint64_t bytes)> on_bytes;
  // What interrupted the download, which will be tried again.
  std::function<void(const Failure& why)> on_waiting;
};

// Layout of the folder: `<key>` is a complete file, `<key>.part` one on its way, `<key>.lock` who
// fetches it. The key is the content's SHA-256 where the plan knows it, else the SHA-256 of URL and
// entity tag: what may differ never shares a name. A file with neither is fetched anew each time.
// Several processes may use one folder.
class FileCache {
 public:
  // All references outlive the cache.
  FileCache(std::filesystem::path folder, const HttpClient& http, const Clock& clock, Log log,
            FetchLimits limits);

  // The path of the complete file (mode 0600). Permanent `DataNotFound` (404, 410),
  // `DataAccessDenied` (401, 403), `ChecksumMismatch`, `SizeMismatch`, `SourceChanged` (another
  // entity tag than planned), `DownloadFailed` (another refusal, or the deadline is over);
  // Transient `DiskFull`, `Stopped`.
  Result<std::filesystem::path> fetch(const events::v1::RemoteFile& file,
                                      const FetchListener& listener, std::stop_token stop) const;

 private:
  Result<void> fetch_part(const events::v1::RemoteFile& file, const std::filesystem::path& part,
                          const FetchListener& listener, std::stop_token stop) const;
  Result<void> fetch_whole(const events::v1::RemoteFile& file, const std::filesystem::path& part,
                           const FetchListener& listener, std::stop_token stop) const;

  std::filesystem::path folder_;
  const HttpClient& http_;
  const Clock& clock_;
  const Log log_;
  FetchLimits limits_;
};

}  // namespace tunesmith::gpu_worker
