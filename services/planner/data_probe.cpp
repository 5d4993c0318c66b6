#include "planner/data_probe.h"

#include <algorithm>
#include <optional>

#include "workspace/url_guard.h"

namespace tunesmith::planner {
namespace {

constexpr std::uint64_t kFirstPiece = 64u << 10;
constexpr std::uint64_t kLargestPiece = 16u << 20;

Result<Inspection> inspect(const PieceSource& source, const Piece& head, const Inspector& inspector,
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
    const auto piece = footer ? source.tail(size, piece_size) : source.head(piece_size);
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

Result<ProbedFile> probe(const std::string& url, const ProbeTools& tools,
                         const Patience& patience) {
  ProbedFile probed;
  std::optional<LocalFile> file;
  std::unique_ptr<PieceSource> source;
  if (workspace::is_file_url(url)) {
    const auto path = workspace::file_url_path(url);
    if (!path) {
      return permanent("UrlInvalid", "expected file:///path, found " + redact_url(url));
    }
    auto opened = LocalFile::open(*path, tools.allowed_data_paths);
    if (!opened) {
      return tl::unexpected(opened.error());
    }
    file.emplace(*std::move(opened));
    source = file_source(*file, url);
    auto digest = file->sha256(patience.stop);  // nothing else tells its versions apart
    if (!digest) {
      return tl::unexpected(digest.error());
    }
    probed.file.set_sha256(*digest);
  } else {
    source = http_source(url, tools.access, tools.http, patience);
  }
  auto head = source->head(kFirstPiece);
  if (!head) {
    return tl::unexpected(head.error());
  }
  probed.file.set_url(url);
  probed.file.set_size_bytes(head->file_size);
  probed.file.set_etag(head->etag);
  if (!head->sha256.empty()) {
    probed.file.set_sha256(head->sha256);
  }
  const auto inspection =
      inspect(*source, *head, tools.inspector, file_name_of(url), redact_url(url), patience);
  if (!inspection) {
    return tl::unexpected(inspection.error());
  }
  probed.inspection = *inspection;
  return probed;
}

}  // namespace tunesmith::planner
