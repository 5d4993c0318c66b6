#include "data/tar_stream.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string_view>

namespace tunesmith::engine {

namespace {

constexpr std::uint64_t kBlock = 512;
constexpr std::uint64_t kMaxExtensionBytes = 1U << 20;
constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::uint64_t kMaxSize = std::numeric_limits<std::int64_t>::max() / 2;

using Header = std::array<char, kBlock>;

std::string_view field(const Header& header, std::size_t at, std::size_t size) {
  const std::string_view raw(header.data() + at, size);
  return raw.substr(0, std::min(raw.find('\0'), raw.size()));
}

std::optional<std::uint64_t> whole(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || value > kMaxSize) {
    return std::nullopt;
  }
  return value;
}

// Octal digits, or GNU's base 256 (first bit set) for sizes of 8 GiB and more.
std::optional<std::uint64_t> number(const Header& header, std::size_t at, std::size_t size) {
  if ((static_cast<unsigned char>(header[at]) & 0x80U) != 0) {
    std::uint64_t value = static_cast<unsigned char>(header[at]) & 0x7FU;
    for (std::size_t i = 1; i < size; ++i) {
      if (value > kMaxSize >> 8U) return std::nullopt;
      value = value << 8U | static_cast<unsigned char>(header[at + i]);
    }
    return value;
  }
  std::string_view text = field(header, at, size);
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  text = text.substr(0, std::min(text.find(' '), text.size()));
  return text.empty() ? std::optional<std::uint64_t>(0) : whole(text, 8);
}

bool checksum_matches(const Header& header) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < header.size(); ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
  }
  return number(header, 148, 8) == sum;
}

std::string name_of(const Header& header) {
  std::string name(field(header, 0, 100));
  const bool posix = std::string_view(header.data() + 257, 6) == std::string_view("ustar\0", 6);
  if (const auto prefix = field(header, 345, 155); posix && !prefix.empty()) {
    name = std::string(prefix) + "/" + name;
  }
  return name;
}

TarItem::Kind kind_of(char type, const std::string& name) {
  switch (type) {
    case '0':
    case '\0':
    case '7':
      return name.ends_with('/') ? TarItem::Kind::kFolder : TarItem::Kind::kFile;
    case '5':
      return TarItem::Kind::kFolder;
    case '1':
    case '2':
      return TarItem::Kind::kLink;
    default:
      return TarItem::Kind::kOther;
  }
}

}  // namespace

Result<std::optional<TarItem>> TarStream::next() {
  while (true) {
    if (auto skipped = skip(left_ + padding_); !skipped) return tl::unexpected(skipped.error());
    left_ = padding_ = 0;
    Header header;
    const auto filled = fill(header);
    if (!filled) return tl::unexpected(filled.error());
    const bool end =
        !*filled || std::all_of(header.begin(), header.end(), [](char c) { return c == '\0'; });
    if (end) return std::nullopt;
    const auto size = number(header, 124, 12);
    if (!checksum_matches(header) || !size) return invalid("has no tar header where one must be");
    const char type = header[156];
    if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
      left_ = *size;
      padding_ = (kBlock - *size % kBlock) % kBlock;
      if (type == 'x') {
        if (auto read = read_pax(*size); !read) return tl::unexpected(read.error());
      } else if (type == 'L') {
        auto name = text(*size, "a name");
        if (!name) return tl::unexpected(name.error());
        next_name_ = name->substr(0, name->find('\0'));
      }
      continue;
    }
    TarItem item;
    item.name = next_name_.value_or(name_of(header));
    item.kind = kind_of(type, item.name);
    if (type == 'S') return invalid("holds the sparse file " + item.name.substr(0, 200));
    if (item.name.size() > kMaxNameBytes || item.name.find('\0') != std::string::npos) {
      return invalid("holds a name of more than 4096 bytes or with a NUL in it");
    }
    // Links, devices and folders have no content, whatever their size says.
    const bool content = type == '0' || type == '\0' || type == '7' || type > '7';
    item.size_bytes = content ? next_size_.value_or(*size) : 0;
    left_ = item.size_bytes;
    padding_ = (kBlock - left_ % kBlock) % kBlock;
    next_name_.reset();
    next_size_.reset();
    return item;
  }
}

Result<std::size_t> TarStream::read(std::span<char> to) {
  const std::size_t most = static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), left_));
  if (most == 0) return 0;
  auto count = layer_.read(to.first(most));
  if (!count) return count;
  cut_ = cut_ || *count == 0;
  left_ -= *count;
  return count;
}

// False at the end; an end in the middle is noted.
Result<bool> TarStream::fill(std::span<char> to) {
  std::size_t done = 0;
  while (done < to.size()) {
    const auto count = layer_.read(to.subspan(done));
    if (!count) return tl::unexpected(count.error());
    if (*count == 0) {
      cut_ = cut_ || done > 0 || layer_.cut();
      return false;
    }
    done += *count;
  }
  return true;
}

Result<void> TarStream::skip(std::uint64_t bytes) {
  std::array<char, 16U << 10> rest;
  while (bytes > 0 && !cut_) {
    const std::size_t most = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, rest.size()));
    const auto count = layer_.read(std::span(rest).first(most));
    if (!count) return tl::unexpected(count.error());
    cut_ = *count == 0;
    bytes -= *count;
  }
  return {};
}

Result<std::string> TarStream::text(std::uint64_t size, const char* what) {
  if (size > kMaxExtensionBytes) return invalid(std::string("holds ") + what + " of over 1 MiB");
  std::string bytes(size, '\0');
  const auto filled = fill(bytes);
  if (!filled) return tl::unexpected(filled.error());
  left_ = 0;
  return *filled ? bytes : std::string();
}

// Records of the form "LENGTH KEY=VALUE\n", the length counting all of it.
Result<void> TarStream::read_pax(std::uint64_t size) {
  const auto records = text(size, "an extended header");
  if (!records) return tl::unexpected(records.error());
  std::string_view rest = *records;
  while (!rest.empty()) {
    const auto blank = rest.find(' ');
    const auto length = whole(rest.substr(0, std::min(blank, rest.size())), 10);
    if (blank == std::string_view::npos || !length || *length <= blank + 1 ||
        *length > rest.size()) {
      return invalid("has an extended header that cannot be read");
    }
    const std::string_view record = rest.substr(blank + 1, *length - blank - 2);
    rest.remove_prefix(*length);
    const auto equals = record.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") next_name_ = value;
    if (key.starts_with("GNU.sparse.")) return invalid("holds a sparse file");
    if (key != "size") continue;
    next_size_ = whole(value, 10);
    if (!next_size_) return invalid("has an extended header with a size that is none");
  }
  return {};
}

tl::unexpected<Failure> TarStream::invalid(const std::string& what) const {
  return permanent("ImageNotReadable", "layer " + layer_.name() + " " + what +
                                           "; expected a tar archive as docker build makes it");
}

}  // namespace tunesmith::engine
