#include "image-builder/testing/adapter_archive.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>

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

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string safetensors_of(std::size_t weight_bytes, unsigned seed) {
  const std::string header = R"({"a":{"dtype":"U8","shape":[)" + std::to_string(weight_bytes) +
                             R"(],"data_offsets":[0,)" + std::to_string(weight_bytes) + "]}}";
  std::string out;
  for (int i = 0; i < 8; ++i) {
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(header.size()) >> (8 * i)));
  }
  out += header;
  std::mt19937_64 random(seed);
  std::string weights(weight_bytes + 8, '\0');
  for (std::size_t at = 0; at < weight_bytes; at += 8) {
    const std::uint64_t word = random();
    std::memcpy(weights.data() + at, &word, 8);
  }
  weights.resize(weight_bytes);
  return out + weights;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "tunesmith-image-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

}  // namespace tunesmith::image_builder
