#include "planner/piece_source.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace tunesmith::planner {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty()
             ? std::optional(value)
             : std::nullopt;
}

// `bytes a-b/size` of a 206; Content-Length of a 200.
std::uint64_t size_told(const HttpResponse& answer) {
  const std::string range = answer.header("Content-Range");
  if (answer.status == 206 || answer.status == 416) {
    const auto slash = range.rfind('/');
    return slash == std::string::npos ? 0 : number(range.substr(slash + 1)).value_or(0);
  }
  return number(answer.header("Content-Length")).value_or(0);
}

tl::unexpected<Failure> judge(const HttpResponse& answer, const std::string& url,
                              const Access& access) {
  const int status = answer.status;
  if (status == 401 || status == 403 || status == 404 || status == 410) {
    return data_refusal(answer, url, access);
  }
  const std::string says = " (the host answers " + std::to_string(status) + ")";
  if (status == 408 || status == 425 || status == 429 || status >= 500) {
    return transient("DataHostUnavailable",
                     redact_url(url) + " cannot be read at the moment" + says);
  }
  return permanent("DataNotReadable",
                   redact_url(url) + " cannot be read" + says + ": check tuning.input.urls");
}

class HttpSource : public PieceSource {
 public:
  HttpSource(const std::string& url, const Access& access, const HttpClient& http,
             const Patience& patience)
      : url_(url), access_(access), http_(http), patience_(patience) {}

  Result<Piece> head(std::uint64_t count) const override {
    return piece("bytes=0-" + std::to_string(count - 1), 0, count);
  }
  // An absolute range: some hosts know no suffixes.
  Result<Piece> tail(std::uint64_t size, std::uint64_t count) const override {
    const std::uint64_t begin = size - std::min(size, count);
    return piece("bytes=" + std::to_string(begin) + "-" + std::to_string(size - 1), begin,
                 std::min(size, count));
  }

 private:
  Result<Piece> piece(const std::string& range, std::uint64_t begin, std::uint64_t count) const {
    return with_retries<Piece>(patience_, [&] { return once(range, begin, count); });
  }

  // A host without ranges sends all: what is before `begin` is dropped, what is after `count` not
  // waited for.
  Result<Piece> once(const std::string& range, std::uint64_t begin, std::uint64_t count) const {
    Piece piece;
    std::uint64_t skipped = 0;
    HttpRequest request;
    request.url = url_;
    request.headers.emplace("Range", range);
    request.total_timeout = patience_.per_request;
    request.stop = patience_.stop;
    authorize(request, access_);
    request.on_body = [&](const HttpResponse& head, std::string_view bytes) {
      if (head.status == 200 && skipped < begin) {
        const auto skip = std::min<std::uint64_t>(begin - skipped, bytes.size());
        skipped += skip;
        bytes.remove_prefix(skip);
      }
      piece.bytes.append(bytes.substr(0, count - piece.bytes.size()));
      return piece.bytes.size() < count;
    };
    // The hub tells a file's digest only in the redirect to where the file lies.
    request.follow_redirects = false;
    auto answer = http_.send(request);
    if (answer && answer->status / 100 == 3) {
      piece.sha256 = sha256_of_etag(answer->header("X-Linked-Etag"));
      request.follow_redirects = true;
      answer = http_.send(request);
    }
    if (!answer) {
      return tl::unexpected(answer.error());
    }
    piece.file_size = size_told(*answer);
    if (answer->status == 416) {  // an empty file has no first byte
      return permanent("DataEmpty", redact_url(url_) + " is empty");
    }
    if (answer->status != 200 && answer->status != 206) {
      return judge(*answer, url_, access_);
    }
    piece.etag = plain_etag(answer->header("ETag"));
    return piece;
  }

  const std::string& url_;
  const Access& access_;
  const HttpClient& http_;
  const Patience& patience_;
};

class FileSource : public PieceSource {
 public:
  FileSource(const LocalFile& file, const std::string& url) : file_(file), url_(url) {}

  Result<Piece> head(std::uint64_t count) const override {
    if (file_.size_bytes() == 0) {
      return permanent("DataEmpty", redact_url(url_) + " is empty");
    }
    return piece(0, count);
  }
  Result<Piece> tail(std::uint64_t size, std::uint64_t count) const override {
    return piece(size - std::min(size, count), count);
  }

 private:
  Result<Piece> piece(std::uint64_t begin, std::uint64_t count) const {
    auto bytes = file_.read(begin, count);
    if (!bytes) {
      return tl::unexpected(bytes.error());
    }
    return Piece{*std::move(bytes), file_.size_bytes(), "", ""};
  }

  const LocalFile& file_;
  const std::string& url_;
};

}  // namespace

std::unique_ptr<PieceSource> http_source(const std::string& url, const Access& access,
                                         const HttpClient& http, const Patience& patience) {
  return std::make_unique<HttpSource>(url, access, http, patience);
}

std::unique_ptr<PieceSource> file_source(const LocalFile& file, const std::string& url) {
  return std::make_unique<FileSource>(file, url);
}

std::string sha256_of_etag(std::string_view etag) {
  if (etag.size() == 66 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, 64);
  }
  const bool digest =
      etag.size() == 64 && etag.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  return digest ? std::string(etag) : std::string();
}

std::string plain_etag(const std::string& etag) {
  const bool plain =
      std::all_of(etag.begin(), etag.end(), [](unsigned char c) { return c < 0x80; });
  return plain ? etag : std::string();
}

}  // namespace tunesmith::planner
