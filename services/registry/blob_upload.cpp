#include "registry/blob_upload.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>

namespace tunesmith::registry {

namespace {

constexpr int kMaxRestarts = 3;  // refusals between two waits that a new upload may heal

// "0-1023" (or "bytes=0-1023") → 1024 bytes. docker-registry says "0-0" of an empty upload.
std::optional<std::uint64_t> bytes_in(const std::string& range) {
  const auto dash = range.rfind('-');
  if (dash == std::string::npos) return std::nullopt;
  std::uint64_t last = 0;
  const char* end = range.data() + range.size();
  const auto [stop, error] = std::from_chars(range.data() + dash + 1, end, last);
  if (error != std::errc() || stop != end) return std::nullopt;
  return last == 0 ? 0 : last + 1;
}

class Upload {
 public:
  Upload(RegistrySession& session, const Blob& blob, const RegistryCall& call)
      : session_(session),
        blob_(blob),
        call_(call),
        wait_(session.clock(), session.options(), call) {}

  Result<void> run();

 private:
  // Each makes one request. An answer that is no success is told by refused().
  Result<void> begin();
  Result<void> send_whole();
  Result<void> send_chunk();
  Result<void> commit();
  Result<void> step();
  Result<void> ask_offset();

  Result<HttpResponse> put(HttpRequest request);
  void body_from(HttpRequest& request, std::uint64_t offset, std::uint64_t size) const;
  tl::unexpected<Failure> refused(const HttpResponse& response);
  Result<void> moved(const HttpResponse& response);
  std::string with_digest() const;

  RegistrySession& session_;
  const Blob& blob_;
  const RegistryCall& call_;
  RetryWait wait_;
  std::string location_;  // of the open upload; empty = none
  std::uint64_t offset_ = 0, min_chunk_ = 0;
  bool fresh_ = false;  // nothing was sent to location_ yet
  bool done_ = false;
  bool may_restart_ = false;  // the last refusal may be about this upload only
  std::chrono::milliseconds at_least_{0};
};

Result<void> Upload::run() {
  int restarts = 0;
  bool uncertain = false;  // the upload may stand elsewhere than we think
  while (!done_) {
    may_restart_ = false;
    at_least_ = {};
    const std::uint64_t before = offset_;
    auto result = uncertain ? ask_offset() : step();
    if (result) {
      if (!uncertain && offset_ > before) wait_.reset();
      uncertain = false;
      continue;
    }
    Failure failure = result.error();
    if (may_restart_ && ++restarts <= kMaxRestarts) {
      location_.clear();
      uncertain = false;
      continue;
    }
    if (failure.failure_class != FailureClass::kTransient) return result;
    if (!wait_.again(failure, at_least_)) return tl::unexpected(failure);
    restarts = 0;
    uncertain = !location_.empty();
  }
  if (call_.on_progress) call_.on_progress(blob_.size_bytes);
  return {};
}

Result<void> Upload::step() {
  if (location_.empty()) return begin();
  if (fresh_ && blob_.size_bytes <= session_.options().single_put_bytes) return send_whole();
  return offset_ < blob_.size_bytes ? send_chunk() : commit();
}

Result<void> Upload::begin() {
  HttpRequest request{.method = "POST", .url = session_.url("/blobs/uploads/")};
  request.total_timeout = session_.options().request_timeout;
  const auto response = put(std::move(request));
  if (!response) return tl::unexpected(response.error());
  if (response->status != 202) return refused(*response);
  offset_ = 0;
  fresh_ = true;
  min_chunk_ = 0;
  const std::string minimum = response->header("OCI-Chunk-Min-Length");
  std::from_chars(minimum.data(), minimum.data() + minimum.size(), min_chunk_);
  return moved(*response);
}

Result<void> Upload::send_whole() {
  fresh_ = false;
  HttpRequest request{.method = "PUT", .url = with_digest()};
  body_from(request, 0, blob_.size_bytes);
  const auto response = put(std::move(request));
  if (!response) return tl::unexpected(response.error());
  if (response->status != 201) return refused(*response);
  done_ = true;
  return {};
}

Result<void> Upload::send_chunk() {
  fresh_ = false;
  const std::uint64_t size =
      std::min(std::max(session_.options().chunk_bytes, min_chunk_), blob_.size_bytes - offset_);
  HttpRequest request{.method = "PATCH", .url = location_};
  request.headers.emplace("Content-Range",
                          std::to_string(offset_) + "-" + std::to_string(offset_ + size - 1));
  body_from(request, offset_, size);
  const auto response = put(std::move(request));
  if (!response) return tl::unexpected(response.error());
  if (response->status != 202) return refused(*response);
  const std::uint64_t reached = bytes_in(response->header("Range")).value_or(offset_ + size);
  if (reached <= offset_) {  // without a wait it would be sent for ever
    return transient("RegistryUnavailable", "registry " + session_.target().registry +
                                                " took nothing of the piece at byte " +
                                                std::to_string(offset_));
  }
  offset_ = std::min(reached, blob_.size_bytes);
  return moved(*response);
}

Result<void> Upload::commit() {
  HttpRequest request{.method = "PUT", .url = with_digest()};
  request.headers.emplace("Content-Type", "application/octet-stream");
  const auto response = put(std::move(request));
  if (!response) return tl::unexpected(response.error());
  if (response->status != 201) return refused(*response);
  done_ = true;
  return {};
}

// After a cut: the commit may have arrived, or a part of the last piece.
Result<void> Upload::ask_offset() {
  const auto there = has_blob(session_, blob_, call_);
  if (!there) return tl::unexpected(there.error());
  if (*there) {
    done_ = true;
    return {};
  }
  HttpRequest request{.method = "GET", .url = location_};
  request.total_timeout = session_.options().request_timeout;
  const auto response = put(std::move(request));
  if (!response) return tl::unexpected(response.error());
  const auto told = bytes_in(response->header("Range"));
  if (response->status != 204 || !told || *told > blob_.size_bytes) {
    if (session_.failure(*response).failure_class == FailureClass::kTransient) {
      return refused(*response);
    }
    location_.clear();  // forgotten
    return {};
  }
  offset_ = *told;
  return response->header("Location").empty() ? Result<void>() : moved(*response);
}

Result<HttpResponse> Upload::put(HttpRequest request) {
  request.follow_redirects = false;
  return session_.send_once(std::move(request), call_);
}

void Upload::body_from(HttpRequest& request, std::uint64_t offset, std::uint64_t size) const {
  request.headers.emplace("Content-Type", "application/octet-stream");
  request.body_size = size;
  request.body_provider = [this, offset, size](std::uint64_t at, std::size_t max) {
    if (call_.on_progress) call_.on_progress(offset + at);
    return blob_.read(offset + at,
                      static_cast<std::size_t>(std::min<std::uint64_t>(max, size - at)));
  };
}

tl::unexpected<Failure> Upload::refused(const HttpResponse& response) {
  // 400: bad digest or state, 404: upload forgotten, 416: wrong offset. Not before an upload is
  // open.
  may_restart_ = !location_.empty() &&
                 (response.status == 400 || response.status == 404 || response.status == 416);
  at_least_ = retry_after(response).value_or(std::chrono::seconds(0));
  return tl::unexpected(session_.failure(response));
}

Result<void> Upload::moved(const HttpResponse& response) {
  auto location = session_.resolve(response.header("Location"));
  if (!location) return tl::unexpected(location.error());
  location_ = *std::move(location);
  return {};
}

std::string Upload::with_digest() const {
  return location_ + (location_.find('?') == std::string::npos ? "?" : "&") +
         form_encode({{"digest", blob_.digest}});
}

}  // namespace

Blob Blob::of_bytes(std::string digest, std::string bytes) {
  const std::uint64_t size = bytes.size();
  return {std::move(digest), size,
          [bytes = std::move(bytes)](std::uint64_t offset, std::size_t max) {
            return bytes.substr(offset, max);
          }};
}

Blob Blob::of_file(std::string digest, std::uint64_t size_bytes,
                   const std::filesystem::path& file) {
  const auto in = std::make_shared<std::ifstream>(file, std::ios::binary);
  return {std::move(digest), size_bytes, [in](std::uint64_t offset, std::size_t max) {
            std::string bytes(max, '\0');
            in->clear();
            in->seekg(static_cast<std::streamoff>(offset));
            in->read(bytes.data(), static_cast<std::streamsize>(max));
            bytes.resize(static_cast<std::size_t>(in->gcount()));
            return bytes;
          }};
}

Result<bool> has_blob(RegistrySession& session, const Blob& blob, const RegistryCall& call) {
  HttpRequest request{.method = "HEAD", .url = session.url("/blobs/" + blob.digest)};
  request.total_timeout = session.options().request_timeout;
  request.follow_redirects =
      false;  // a redirect says that it is there; the store may not answer HEAD
  const auto response = session.send(request, call);
  if (!response) return tl::unexpected(response.error());
  if (response->status == 404) return false;
  if (response->status >= 400) return tl::unexpected(session.failure(*response));
  const std::string size = response->header("Content-Length");
  return response->status != 200 || size.empty() || size == std::to_string(blob.size_bytes);
}

Result<void> upload_blob(RegistrySession& session, const Blob& blob, const RegistryCall& call) {
  const auto there = has_blob(session, blob, call);
  if (!there) return tl::unexpected(there.error());
  if (*there) {
    if (call.on_progress) call.on_progress(blob.size_bytes);
    return {};
  }
  return Upload(session, blob, call).run();
}

}  // namespace tunesmith::registry
