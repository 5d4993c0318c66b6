#include "planner/data_probe.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace tunesmith::planner {
namespace {

constexpr std::uint64_t kFirstPiece = 64u << 10;
constexpr std::uint64_t kLargestPiece = 16u << 20;

struct Piece {
  std::string bytes;
  std::uint64_t file_size = 0;  // 0 = not told
  std::string etag;
  std::string linked_sha256;
};

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

Failure judge(int status, const std::string& url) {
  const std::string says = " (the host answers " + std::to_string(status) + ")";
  if (status == 404 || status == 410) {
    return {FailureClass::kPermanent, "DataNotFound",
            "there is no file at " + redact_url(url) + says + ": check tuning.input.urls"};
  }
  if (status == 401 || status == 403) {
    return {FailureClass::kPermanent, "DataAccessDenied",
            redact_url(url) + " may not be read" + says +
                ": give a URL that works without logging in, e.g. with a valid signature"};
  }
  if (status == 408 || status == 425 || status == 429 || status >= 500) {
    return {FailureClass::kTransient, "DataHostUnavailable",
            redact_url(url) + " cannot be read at the moment" + says};
  }
  return {FailureClass::kPermanent, "DataNotReadable",
          redact_url(url) + " cannot be read" + says + ": check tuning.input.urls"};
}

class Fetcher {
 public:
  Fetcher(const std::string& url, const HttpClient& http, const Patience& patience)
      : url_(url), http_(http), patience_(patience) {}

  // Bytes [0, count).
  Result<Piece> head(std::uint64_t count) const {
    return piece("bytes=0-" + std::to_string(count - 1), 0, count);
  }
  // The last `count` bytes of a file of `size` bytes. An absolute range: some hosts know no
  // suffixes.
  Result<Piece> tail(std::uint64_t size, std::uint64_t count) const {
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
      piece.linked_sha256 = sha256_of_etag(answer->header("X-Linked-Etag"));
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
      return tl::unexpected(judge(answer->status, url_));
    }
    piece.etag = plain_etag(answer->header("ETag"));
    return piece;
  }

  const std::string& url_;
  const HttpClient& http_;
  const Patience& patience_;
};

Result<Inspection> inspect(const Fetcher& fetcher, const Piece& head, const Inspector& inspector,
                           const std::string& name, const std::string& shown,
                           const Patience& patience) {
  const auto unreadable = [&](const std::string& why) {
    return permanent("DataNotReadable", shown + ": " + why);
  };
  const std::uint64_t size = head.file_size != 0 ? head.file_size : head.bytes.size();
  std::uint64_t piece_size = kFirstPiece;
  auto answer = inspector.head(head.bytes, size, name, patience.stop);
  while (answer && answer->more_needed) {
    const bool footer = answer->needed.kind == PieceNeeded::Kind::kFooter;
    if (footer && head.file_size == 0) {
      return unreadable(
          "the host does not tell the size, so the footer of the parquet file cannot "
          "be found");
    }
    if (!footer) {
      piece_size *= 16;
    } else if (answer->needed.bytes != 0) {
      piece_size = answer->needed.bytes;
    }
    if (piece_size > kLargestPiece) {
      return unreadable(
          "no row is complete in the first 16 MiB, or the parquet footer is larger "
          "than that");
    }
    const auto piece = footer ? fetcher.tail(size, piece_size) : fetcher.head(piece_size);
    if (!piece) {
      return tl::unexpected(piece.error());
    }
    const auto before = answer->needed;
    answer = footer ? inspector.footer(piece->bytes, name, patience.stop)
                    : inspector.head(piece->bytes, size, name, patience.stop);
    const bool stuck = answer && answer->more_needed && footer &&
                       answer->needed.bytes <= before.bytes && before.bytes != 0;
    if (stuck) {
      return unreadable("the parquet footer is not where the file says it is");
    }
  }
  if (!answer) {
    return tl::unexpected(answer.error());
  }
  return answer->inspection;
}

}  // namespace

std::string file_name_of(std::string_view url) {
  const std::string_view path = url.substr(0, url.find_first_of("?#"));
  std::string name(path.substr(std::min(path.rfind('/') + 1, path.size())));
  if (const auto scheme = url.find("://");
      scheme != std::string_view::npos && url.find('/', scheme + 3) == std::string_view::npos) {
    name.clear();  // the URL ends with the host
  }
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_';
    c = plain ? c : '_';
  }
  if (name.size() > 100) {  // the ending counts most
    name = name.substr(name.size() - 100);
  }
  const bool dots = name.find_first_not_of('.') == std::string::npos;
  return name.empty() || dots ? "data" : name;
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

Result<ProbedFile> probe(const std::string& url, const HttpClient& http, const Inspector& inspector,
                         const Patience& patience) {
  const Fetcher fetcher(url, http, patience);
  auto head = fetcher.head(kFirstPiece);
  if (!head) {
    return tl::unexpected(head.error());
  }
  ProbedFile probed;
  probed.file.set_url(url);
  probed.file.set_size_bytes(head->file_size);
  probed.file.set_etag(head->etag);
  probed.file.set_sha256(head->linked_sha256);
  const auto inspection =
      inspect(fetcher, *head, inspector, file_name_of(url), redact_url(url), patience);
  if (!inspection) {
    return tl::unexpected(inspection.error());
  }
  probed.inspection = *inspection;
  return probed;
}

}  // namespace tunesmith::planner
