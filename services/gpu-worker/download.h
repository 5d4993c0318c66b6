// One planned file over HTTP into its part file: resumed after a cut, never mixed of two versions.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "part_file.h"
#include "runtime/access.h"
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
  std::uint64_t max_bytes = std::uint64_t{1} << 40;  // of a file whose size nobody told
};

struct FetchListener {
  // How many bytes of this file are there; a file that was cached is told once.
  std::function<void(std::uint64_t bytes)> on_bytes;
  // What interrupted the download, which will be tried again.
  std::function<void(const Failure& why)> on_waiting;
};

// What is fetched, from whom, with what. All outlive the download.
struct DownloadTask {
  const events::v1::RemoteFile& file;
  const Access& access;
  AccessTo from;  // whose words a refusal has
  const FetchListener& listener;
};

// One thread at a time.
class Download {
 public:
  // `http` and `clock` outlive it.
  Download(DownloadTask task, const HttpClient& http, const Clock& clock, const Log& log,
           FetchLimits limits);

  // Appends to what `part` has until the file is whole: its length is the planned one, its content
  // is not looked at. Without anything that would show another version (entity tag, SHA-256) each
  // try begins anew. Permanent `DataNotFound`, `DataAccessDenied`, `ModelNotFound`,
  // `ModelAccessDenied`, `SourceChanged` (another entity tag or size than planned),
  // `ResponseTooLarge`, `DownloadFailed` (another refusal), what was tried until the deadline,
  // `FileUnwritable`; Transient `Stopped`, `DiskFull` (still, at the deadline). Everything else is
  // waited for.
  Result<void> fetch(const std::filesystem::path& part, const std::stop_token& stop);

  // Asks for one byte: proves that `access` opens the planned version now. Failures as fetch().
  Result<void> prove(const std::stop_token& stop);

  // Calls `attempt` until it succeeds, fails for good, or the deadline comes (the last failure, now
  // permanent; but `DiskFull` as it is).
  Result<void> persist(const std::function<Result<void>()>& attempt, const std::stop_token& stop);

  // True when the part holds bytes of several answers.
  bool resumed() const { return resumed_; }

 private:
  enum class Start { kResume, kRestart };
  Result<void> fetch_part(const std::filesystem::path& part, const std::stop_token& stop);
  HttpRequest request(const std::stop_token& stop) const;
  Result<Start> judge_head(const HttpResponse& head, std::uint64_t offset);
  Result<void> judge_version(const HttpResponse& head) const;
  Result<void> judge_status(const HttpResponse& answer) const;
  Result<void> take(PartFile& part, std::string_view piece) const;
  Result<void> finish(const HttpResponse& answer, PartFile& part, std::uint64_t offset, bool begun);
  Result<void> check_space(const std::filesystem::path& part, std::uint64_t have) const;
  std::string shown() const { return redact_url(task_.file.url()); }

  const DownloadTask task_;
  const HttpClient& http_;
  const Clock& clock_;
  const Log& log_;
  const FetchLimits limits_;
  Clock::SteadyTime deadline_;
  std::string validator_;    // entity tag of the bytes in the part, planned or seen
  bool ranges_work_ = true;  // until the host proves otherwise
  bool resumed_ = false;
  bool progressed_ = false;  // since the last failure
};

}  // namespace tunesmith::gpu_worker
