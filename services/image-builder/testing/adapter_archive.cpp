#include "image-builder/testing/adapter_archive.h"

#include <cstdint>
#include <cstdio>
#include <fstream>

namespace tunesmith::image_builder {

std::string tar_of(const std::vector<ArchiveMember>& members) {
  std::string out;
  for (const auto& member : members) {
    std::string header(512, '\0');
    const auto put = [&header](std::size_t at, const std::string& text) {
      header.replace(at, text.size(), text);
    };
    const auto octal = [](unsigned long long value, int digits) {
      char text[16];
      std::snprintf(text, sizeof text, "%0*llo", digits, value);
      return std::string(text);
    };
    put(0, member.name);
    put(100, "0000600");
    put(108, octal(member.owner, 7));
    put(116, octal(member.owner, 7));
    put(124, octal(member.content.size(), 11));
    put(136, octal(member.mtime, 11));
    put(148, "        ");
    put(156, "0");
    put(257, std::string("ustar\00000", 8));
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put(148, octal(sum, 6) + std::string("\0 ", 2));
    out += header + member.content + std::string((512 - member.content.size() % 512) % 512, '\0');
  }
  return out + std::string(1024, '\0');
}

void write_archive(const std::filesystem::path& file, const std::vector<ArchiveMember>& members) {
  std::ofstream(file, std::ios::binary) << tar_of(members);
}

std::string safetensors_of(std::size_t weight_bytes, unsigned seed) {
  const std::string header = R"({"a":{"dtype":"U8","shape":[)" + std::to_string(weight_bytes) +
                             R"(],"data_offsets":[0,)" + std::to_string(weight_bytes) + "]}}";
  std::string out;
  for (int i = 0; i < 8; ++i) {
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(header.size()) >> (8 * i)));
  }
  out += header;
  return out + registry::random_bytes(weight_bytes, seed);
}

}  // namespace tunesmith::image_builder
