#include "data/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "text/utf8.h"

namespace tunesmith::engine {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kKnown = "parquet, jsonl, json (an array of objects) and csv";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return out;
}

// What people upload by mistake, by its first bytes.
std::optional<std::string_view> known_mistake(std::string_view head) {
  struct Magic {
    std::string_view bytes;
    std::string_view what;
  };
  static constexpr std::array<Magic, 12> kMagics{{
      {"\x1f\x8b"sv, "a gzip file: unpack it"},
      {"PK\x03\x04"sv, "a zip file: unpack it"},
      {"\x28\xb5\x2f\xfd"sv, "a zstd file: unpack it"},
      {"BZh"sv, "a bzip2 file: unpack it"},
      {"\xfd"
       "7zXZ"sv,
       "an xz file: unpack it"},
      {"ARROW1"sv, "an Arrow file: write it as parquet"},
      {"\xff\xff\xff\xff"sv, "an Arrow stream: write it as parquet"},
      {"version https://git-lfs"sv, "a Git LFS pointer, not the file it stands for"},
      {"\xff\xfe"sv, "UTF-16 text: write it as UTF-8"},
      {"\xfe\xff"sv, "UTF-16 text: write it as UTF-8"},
      {"%PDF"sv, "a PDF file"},
      {"SQLite format 3"sv, "an SQLite database"},
  }};
  for (const auto& [bytes, what] : kMagics) {
    if (head.starts_with(bytes)) return what;
  }
  const std::string start = lower(head.substr(0, 64));
  if (start.starts_with("<!doctype html") || start.starts_with("<html")) {
    return "an HTML page (a login or error page of the host?)";
  }
  if (start.starts_with("<?xml") || start.starts_with("<error")) {
    return "an XML document (an error of the host?)";
  }
  return std::nullopt;
}

std::string ending_of(const std::string& name) {
  const std::size_t dot = name.find_last_of("./");
  if (dot == std::string::npos || name[dot] == '/') return "";
  return lower(std::string_view(name).substr(dot + 1));
}

// A header line with a separator in it.
bool looks_like_csv(std::string_view head) {
  const std::string_view line = head.substr(0, head.find('\n'));
  return head.find('\n') != std::string_view::npos &&
         line.find_first_of(",\t;") != std::string_view::npos;
}

}  // namespace

std::string_view name_of(FileFormat format) {
  switch (format) {
    case FileFormat::kParquet:
      return "parquet";
    case FileFormat::kJsonl:
      return "jsonl";
    case FileFormat::kJson:
      return "json";
    case FileFormat::kCsv:
      return "csv";
  }
  return "unknown";
}

Result<FileFormat> detect_format(std::string_view head, const std::string& name) {
  if (head.starts_with("PAR1")) return FileFormat::kParquet;
  std::string_view text = head;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  if (text.empty()) return permanent("DataEmpty", fmt::format("{}: only white space", name));
  if (const auto mistake = known_mistake(text)) {
    return permanent("DataFormatUnknown",
                     fmt::format("{}: this is {}; expected {}", name, *mistake, kKnown));
  }
  const std::string ending = ending_of(name);
  if (ending == "parquet") {
    return permanent(
        "DataNotReadable",
        fmt::format("{}: is called parquet but does not begin with PAR1: not a parquet "
                    "file, or damaged",
                    name));
  }
  // The head may end inside a character.
  const std::string_view whole = utf8_prefix(head, head.size() > 4 ? head.size() - 4 : head.size());
  if (!is_utf8(whole) || head.find('\0') != std::string_view::npos) {
    return permanent("DataFormatUnknown",
                     fmt::format("{}: neither parquet nor UTF-8 text; expected {}", name, kKnown));
  }
  if (text.starts_with('[')) return FileFormat::kJson;
  if (text.starts_with('{')) return FileFormat::kJsonl;
  if (ending == "jsonl" || ending == "json" || ending == "ndjson") {
    return permanent("DataNotReadable", fmt::format("{}: is called {} but does not begin with "
                                                    "'{{' or '['",
                                                    name, ending));
  }
  if (ending == "csv" || ending == "tsv" || looks_like_csv(text)) return FileFormat::kCsv;
  return permanent("DataFormatUnknown",
                   fmt::format("{}: text of no known form; expected {}", name, kKnown));
}

}  // namespace tunesmith::engine
