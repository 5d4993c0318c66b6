#include "download.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
  return whole ? std::optional(value) : std::nullopt;
}

// Of the whole file: `bytes a-b/size` of a 206 or 416, Content-Length of a 200.
std::optional<std::uint64_t> told_size(const HttpResponse& head) {
  if (head.status == 200) return number(head.header("Content-Length"));
  const std::string range = head.header("Content-Range");
  return number(range.substr(std::min(range.rfind('/'), range.size() - 1) + 1));
}

// Only a strong tag says that the bytes are the same (RFC 9110, 8.8.1 and 13.1.5).
bool is_strong(const std::string& etag) { return etag.size() > 1 && etag.front() == '"'; }

bool may_go_away(int status) {
  return status == 408 || status == 425 || status == 429 || status / 100 == 5;
}

// The page of the repository on the hub: what is before "/resolve/<revision>/<name>".
std::string repository_of(const std::string& url) { return url.substr(0, url.find("/resolve/")); }

}  // namespace

Download::Download(DownloadTask task, const HttpClient& http, const Clock& clock, const Log& log,
                   FetchLimits limits)
    : task_(task),
      http_(http),
      clock_(clock),
      log_(log),
      limits_(limits),
      deadline_(clock.steady_now() + limits.deadline),
      validator_(task.file.etag()) {}

Result<void> Download::fetch(const fs::path& part, const std::stop_token& stop) {
  return persist([&] { return fetch_part(part, stop); }, stop);
}

Result<void> Download::prove(const std::stop_token& stop) {
  return persist(
      [&]() -> Result<void> {
        HttpRequest one_byte = request(stop);
        one_byte.headers.emplace("Range",
                                 "bytes=0-0");  // links that are signed for GET refuse HEAD
        one_byte.on_body = [](const HttpResponse&, std::string_view) { return false; };
        const auto answer = http_.send(one_byte);
        if (!answer) return tl::unexpected(answer.error());
        if (auto judged = judge_status(*answer); !judged) return judged;
        return judge_version(*answer);
      },
      stop);
}

Result<void> Download::persist(const std::function<Result<void>()>& attempt,
                               const std::stop_token& stop) {
  Backoff backoff(limits_.backoff, std::hash<std::string>{}(task_.file.url()));
  while (true) {
    progressed_ = false;
    auto done = attempt();
    if (done) return {};
    const Failure& failure = done.error();
    if (failure.failure_class != FailureClass::kTransient || stop.stop_requested()) return done;
    if (clock_.steady_now() >= deadline_) {
      if (failure.reason == "DiskFull") return done;  // no fault of the host: whoever called waits
      return permanent(failure.reason,
                       "gave up after all the time that a download may take; " + failure.message);
    }
    log_.warning("download interrupted, going on",
                 {{"url", shown()}, {"reason", failure.reason}, {"detail", failure.message}});
    task_.listener.on_waiting(failure);
    if (progressed_) backoff.reset();
    if (!wait_for(backoff.next(), stop)) return transient("Stopped", "the download was stopped");
  }
}

HttpRequest Download::request(const std::stop_token& stop) const {
  HttpRequest request;
  request.url = task_.file.url();
  request.stop = stop;
  request.total_timeout = std::max(
      std::chrono::milliseconds(1),
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - clock_.steady_now()));
  authorize(request, task_.access);
  return request;
}

Result<void> Download::fetch_part(const fs::path& path, const std::stop_token& stop) {
  auto part = PartFile::open(path);
  if (!part) return tl::unexpected(part.error());
  const bool told_apart = is_strong(validator_) || !task_.file.sha256().empty();
  if (part->size() > 0 && (!told_apart || !ranges_work_)) {
    if (auto emptied = part->restart(); !emptied) return emptied;
  }
  const std::uint64_t offset = part->size();
  if (auto fits = check_space(path, offset); !fits) return fits;
  HttpRequest get = request(stop);
  if (offset > 0) {
    get.headers.emplace("Range", fmt::format("bytes={}-", offset));
    if (is_strong(validator_)) get.headers.emplace("If-Range", validator_);
  }
  bool begun = false;
  Result<void> taken;
  get.on_body = [&](const HttpResponse& head, std::string_view piece) {
    if (!begun) {
      begun = true;
      const auto start = judge_head(head, offset);
      taken = !start                      ? tl::unexpected(start.error())
              : *start == Start::kRestart ? part->restart()
                                          : Result<void>();
    }
    if (taken) taken = take(*part, piece);
    if (taken) task_.listener.on_bytes(part->size());
    return taken.has_value();
  };
  const auto answer = http_.send(get);
  progressed_ = part->size() > offset;
  if (!taken) return taken;
  if (!answer) return tl::unexpected(answer.error());
  return finish(*answer, *part, offset, begun);
}

// Before the first byte of a 2xx body is taken.
Result<Download::Start> Download::judge_head(const HttpResponse& head, std::uint64_t offset) {
  if (auto same = judge_version(head); !same) return tl::unexpected(same.error());
  const std::string etag = head.header("ETag");
  const bool other_version = !validator_.empty() && !etag.empty() && etag != validator_;
  if (task_.file.etag().empty()) validator_ = etag;
  if (head.status != 206) return Start::kRestart;
  const bool as_asked =
      head.header("Content-Range").starts_with(fmt::format("bytes {}-", offset)) && !other_version;
  if (!as_asked) {
    ranges_work_ = false;
    return transient("DownloadFailed", fmt::format("{} answers with another range than asked for; "
                                                   "it is fetched as a whole",
                                                   shown()));
  }
  resumed_ = resumed_ || offset > 0;
  return Start::kResume;
}

Result<void> Download::judge_version(const HttpResponse& head) const {
  const auto& file = task_.file;
  const std::string etag = head.header("ETag");
  if (!file.etag().empty() && !etag.empty() && etag != file.etag()) {
    return permanent("SourceChanged",
                     fmt::format("{} was planned with entity tag {} and now has {}: it was changed "
                                 "since; apply the Workspace again",
                                 shown(), file.etag(), etag));
  }
  const auto size = told_size(head);
  if (size && file.size_bytes() != 0 && *size != file.size_bytes()) {
    return permanent("SourceChanged",
                     fmt::format("{} was planned with {} bytes and now has {}: it was changed "
                                 "since; apply the Workspace again",
                                 shown(), file.size_bytes(), *size));
  }
  return {};
}

Result<void> Download::judge_status(const HttpResponse& answer) const {
  const int status = answer.status;
  if (status / 100 == 2) return {};
  const std::string message = fmt::format("{} answers {}", shown(), status);
  if (may_go_away(status)) return transient("DataHostUnavailable", message);
  if (status != 401 && status != 403 && status != 404 && status != 410) {
    return permanent("DownloadFailed", message);
  }
  const bool denied = status == 401 || status == 403;
  if (denied && !same_origin(task_.file.url(), answer.final_url)) {
    // A link with a signature that has run out; the next redirect brings a fresh one.
    return transient("DownloadFailed", fmt::format("{} leads to {}, which answers {}", shown(),
                                                   redact_url(answer.final_url), status));
  }
  if (task_.from == AccessTo::kData) return data_refusal(answer, task_.file.url(), task_.access);
  return model_refusal(answer, "the file " + shown(), repository_of(task_.file.url()),
                       task_.access);
}

Result<void> Download::take(PartFile& part, std::string_view piece) const {
  const std::uint64_t planned = task_.file.size_bytes();
  const std::uint64_t most = planned != 0 ? planned : limits_.max_bytes;
  if (piece.size() <= most - std::min(most, part.size())) return part.append(piece);
  if (planned == 0) {
    return permanent("ResponseTooLarge", fmt::format("{} is larger than {} bytes", shown(), most));
  }
  return permanent("SourceChanged", fmt::format("{} was planned with {} bytes and has more: it was "
                                                "changed since; apply the Workspace again",
                                                shown(), planned));
}

Result<void> Download::finish(const HttpResponse& answer, PartFile& part, std::uint64_t offset,
                              bool begun) {
  const std::uint64_t planned = task_.file.size_bytes();
  if (answer.status == 416 && offset > 0) {
    if (told_size(answer) == offset && (planned == 0 || planned == offset)) return part.sync();
    if (auto emptied = part.restart(); !emptied) return emptied;
    return transient("DownloadFailed", fmt::format("{} refused to go on at byte {}; it is fetched "
                                                   "anew",
                                                   shown(), offset));
  }
  if (auto judged = judge_status(answer); !judged) return judged;
  if (!begun) {  // an answer without a body: the file is empty
    if (auto same = judge_version(answer); !same) return same;
    if (auto emptied = part.restart(); !emptied) return emptied;
  }
  if (part.size() < planned) {
    return transient("ConnectionLost",
                     fmt::format("{} ended after {} of {} bytes", shown(), part.size(), planned));
  }
  return part.sync();
}

// Told before the disk is full: others need it too.
Result<void> Download::check_space(const fs::path& part, std::uint64_t have) const {
  const std::uint64_t planned = task_.file.size_bytes();
  std::error_code error;
  const auto space = fs::space(part.parent_path(), error);
  const std::uint64_t missing = planned - std::min(planned, have);
  if (error || missing <= space.available) return {};
  return transient(
      "DiskFull",
      fmt::format("{} needs {} MiB more in {}, {} MiB are free there: make room, it "
                  "goes on by itself",
                  shown(), missing >> 20, part.parent_path().string(), space.available >> 20));
}

}  // namespace tunesmith::gpu_worker
