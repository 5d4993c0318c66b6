#include "image-builder/tar_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>

namespace tunesmith::image_builder {

namespace {

constexpr std::uint64_t kBlock = 512;
constexpr std::size_t kMaxEntries = 64;

using Header = std::array<char, kBlock>;

std::string_view field(const Header& header, std::size_t at, std::size_t size) {
  const std::string_view raw(header.data() + at, size);
  return raw.substr(0, std::min(raw.find('\0'), raw.size()));
}

std::optional<std::uint64_t> octal(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  text = text.substr(0, std::min(text.find(' '), text.size()));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The sum of all header bytes with the checksum's own field taken as blanks.
bool checksum_matches(const Header& header) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < header.size(); ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
  }
  return octal(field(header, 148, 8)) == sum;
}

std::string name_of(const Header& header) {
  std::string name(field(header, 0, 100));
  if (const auto prefix = field(header, 345, 155); !prefix.empty()) {
    name = std::string(prefix) + "/" + name;
  }
  return name.starts_with("./") ? name.substr(2) : name;
}

tl::unexpected<Failure> invalid(const std::string& what) {
  return permanent("AdapterInvalid", "the adapter archive " + what +
                                         "; expected a ustar archive with adapter_config.json and "
                                         "adapter_model.safetensors; tunesmith retry trains again");
}

}  // namespace

Result<std::vector<TarEntry>> list_tar(const std::filesystem::path& archive) {
  std::error_code error;
  const std::uint64_t total = std::filesystem::file_size(archive, error);
  std::ifstream in(archive, std::ios::binary);
  if (error || !in) return transient("FileUnreadable", "cannot read " + archive.string());

  std::vector<TarEntry> entries;
  for (std::uint64_t at = 0; at + kBlock <= total;) {
    Header header;
    in.seekg(static_cast<std::streamoff>(at));
    if (!in.read(header.data(), header.size())) {
      return transient("FileUnreadable", "cannot read " + archive.string());
    }
    if (std::all_of(header.begin(), header.end(), [](char c) { return c == 0; })) return entries;
    const auto size = octal(field(header, 124, 12));
    if (!checksum_matches(header) || !size) {
      return invalid("has no tar header at byte " + std::to_string(at));
    }
    if (*size > total - at - kBlock) return invalid("ends within " + name_of(header));
    const char type = header[156];
    if (type == '0' || type == '\0') {
      if (entries.size() == kMaxEntries) return invalid("holds more than 64 files");
      entries.push_back({name_of(header), at + kBlock, *size});
    }
    at += kBlock + (*size + kBlock - 1) / kBlock * kBlock;
  }
  return invalid("has no end mark");
}

}  // namespace tunesmith::image_builder
