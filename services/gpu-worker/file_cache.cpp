#include "file_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/sha256.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;

// Held while a file is fetched; the kernel lets go of it when the process dies.
class FileLock {
 public:
  explicit FileLock(const fs::path& path)
      : fd_(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {}
  ~FileLock() {
    if (fd_ >= 0) close(fd_);
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  // False at a stop. The kernel has no way to be woken by both a lock and a stop: it is asked
  // again.
  bool lock(const std::stop_token& stop) const {
    constexpr std::chrono::milliseconds kAskAgain{200};
    while (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      if (!wait_for(kAskAgain, stop)) return false;
    }
    return true;
  }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

// The part file, opened for appending; a server that answers with the whole file starts it anew.
class PartFile {
 public:
  explicit PartFile(const fs::path& path)
      : fd_(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) {
    size_ = fd_ < 0 ? 0 : static_cast<std::uint64_t>(lseek(fd_, 0, SEEK_END));
  }
  ~PartFile() {
    if (fd_ >= 0) close(fd_);
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  bool ok() const { return fd_ >= 0; }
  std::uint64_t size() const { return size_; }
  bool restart() {
    size_ = 0;
    return ftruncate(fd_, 0) == 0 && lseek(fd_, 0, SEEK_SET) == 0;
  }
  bool append(std::string_view piece) {
    while (!piece.empty()) {
      const ssize_t written = write(fd_, piece.data(), piece.size());
      if (written < 0) return false;
      size_ += static_cast<std::uint64_t>(written);
      piece.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }
  bool sync() const { return fsync(fd_) == 0; }

 private:
  int fd_;
  std::uint64_t size_ = 0;
};

std::string cache_key(const events::v1::RemoteFile& file) {
  return file.sha256().empty() ? sha256_hex(file.url() + "\n" + file.etag()) : file.sha256();
}

bool may_go_away(int status) {
  return status == 408 || status == 425 || status == 429 || status / 100 == 5;
}

Result<void> judge_status(int status, const std::string& shown_url) {
  if (status / 100 == 2) return {};
  if (status == 404 || status == 410) {
    return permanent("DataNotFound",
                     fmt::format("expected a file at {}, the host answers {}: check the address",
                                 shown_url, status));
  }
  if (status == 401 || status == 403) {
    return permanent(
        "DataAccessDenied",
        fmt::format("{} may not be read without (other) credentials: the host answers {}",
                    shown_url, status));
  }
  const std::string message = fmt::format("{} answers {}", shown_url, status);
  return may_go_away(status) ? transient("DownloadFailed", message)
                             : permanent("DownloadFailed", message);
}

Result<void> verify(const fs::path& part, const events::v1::RemoteFile& file,
                    const std::string& shown_url) {
  std::error_code error;
  const auto size_bytes = fs::file_size(part, error);
  if (file.size_bytes() != 0 && size_bytes != file.size_bytes()) {
    return permanent("SizeMismatch",
                     fmt::format("{} was planned with {} bytes and has {}: it was changed since; "
                                 "apply the Workspace again",
                                 shown_url, file.size_bytes(), size_bytes));
  }
  if (file.sha256().empty()) return {};
  auto found = sha256_of_file(part);
  if (!found) return tl::unexpected(found.error());
  if (*found != file.sha256()) {
    return permanent("ChecksumMismatch",
                     fmt::format("{} should have sha256 {} and has {}: the host "
                                 "serves something else",
                                 shown_url, file.sha256(), *found));
  }
  return {};
}

}  // namespace

FileCache::FileCache(fs::path folder, const HttpClient& http, const Clock& clock, Log log,
                     FetchLimits limits)
    : folder_(std::move(folder)),
      http_(http),
      clock_(clock),
      log_(std::move(log)),
      limits_(limits) {}

Result<fs::path> FileCache::fetch(const events::v1::RemoteFile& file, const FetchListener& listener,
                                  std::stop_token stop) const {
  std::error_code error;
  fs::create_directories(folder_, error);
  const fs::path complete = folder_ / cache_key(file);
  const fs::path part = complete.string() + ".part";
  const FileLock lock(complete.string() + ".lock");
  if (!lock.ok()) return transient("DiskFull", "could not write " + complete.string() + ".lock");
  if (!lock.lock(stop)) return transient("Stopped", "the download was stopped");
  if (file.sha256().empty() && file.etag().empty()) {
    // Nothing would show that the host has another version by now.
    fs::remove(complete, error);
    fs::remove(part, error);
  }
  if (fs::exists(complete)) {
    listener.on_bytes(fs::file_size(complete, error));
    return complete;
  }
  if (auto fetched = fetch_whole(file, part, listener, stop); !fetched) {
    return tl::unexpected(fetched.error());
  }
  if (auto verified = verify(part, file, redact_url(file.url())); !verified) {
    fs::remove(part, error);
    return tl::unexpected(verified.error());
  }
  fs::rename(part, complete, error);
  if (error) return transient("DiskFull", "could not store " + complete.string());
  return complete;
}

Result<void> FileCache::fetch_whole(const events::v1::RemoteFile& file, const fs::path& part,
                                    const FetchListener& listener, std::stop_token stop) const {
  const auto deadline = clock_.steady_now() + limits_.deadline;
  Backoff backoff(limits_.backoff, std::hash<std::string>{}(file.url()));
  while (true) {
    auto fetched = fetch_part(file, part, listener, stop);
    if (fetched) return {};
    const Failure& failure = fetched.error();
    if (failure.failure_class != FailureClass::kTransient || failure.reason == "DiskFull" ||
        stop.stop_requested()) {
      return tl::unexpected(failure);
    }
    if (clock_.steady_now() >= deadline) return permanent("DownloadFailed", failure.message);
    log_.warning(
        "download interrupted, going on",
        {{"url", redact_url(file.url())}, {"reason", failure.reason}, {"detail", failure.message}});
    listener.on_waiting(failure);
    if (!wait_for(backoff.next(), stop)) return transient("Stopped", "the download was stopped");
  }
}

Result<void> FileCache::fetch_part(const events::v1::RemoteFile& file, const fs::path& part,
                                   const FetchListener& listener, std::stop_token stop) const {
  PartFile out(part);
  if (!out.ok()) return transient("DiskFull", "could not write " + part.string());
  const std::uint64_t offset = out.size();
  bool begun = false;
  bool written = true;
  HttpRequest request;
  request.url = file.url();
  request.stop = stop;
  if (offset > 0) {
    request.headers.emplace("Range", fmt::format("bytes={}-", offset));
    if (!file.etag().empty()) request.headers.emplace("If-Range", file.etag());
  }
  request.on_body = [&](const HttpResponse& head, std::string_view piece) {
    if (!begun) {
      begun = true;
      const bool resumed =
          head.status == 206 &&
          head.header("Content-Range").starts_with(fmt::format("bytes {}-", offset));
      if (!resumed) written = out.restart();
    }
    written = written && out.append(piece);
    if (written) listener.on_bytes(out.size());
    return written;
  };
  auto answer = http_.send(request);
  if (!written) return transient("DiskFull", "could not write " + part.string());
  if (!answer) return tl::unexpected(answer.error());
  const std::string shown_url = redact_url(file.url());
  if (answer->status == 416) {  // our part is no beginning of this file: from the start
    if (!out.restart()) return transient("DiskFull", "could not write " + part.string());
    return transient("DownloadFailed",
                     shown_url + " refused to go on at byte " + std::to_string(offset));
  }
  if (auto judged = judge_status(answer->status, shown_url); !judged) return judged;
  const std::string etag = answer->header("ETag");
  if (!file.etag().empty() && !etag.empty() && etag != file.etag()) {
    return permanent("SourceChanged",
                     fmt::format("{} was planned with entity tag {} and now has {}: it was changed "
                                 "since; apply the Workspace again",
                                 shown_url, file.etag(), etag));
  }
  if (!out.sync()) return transient("DiskFull", "could not write " + part.string());
  return {};
}

}  // namespace tunesmith::gpu_worker
