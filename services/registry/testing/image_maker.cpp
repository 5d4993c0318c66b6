#include "registry/testing/image_maker.h"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

namespace tunesmith::registry {

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937_64 random(seed);
  std::string bytes(size + 8, '\0');
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, 8);
  }
  bytes.resize(size);
  return bytes;
}

Image make_image(const std::filesystem::path& folder, const std::vector<ImageFile>& files,
                 const Annotations& annotations) {
  const auto file = folder / "layer.tar.gz";
  LayerWriter writer(file);
  for (const auto& [name, content] : files) {
    writer.begin_file(name, content.size());
    writer.write(content);
  }
  return describe_image({{file, writer.finish().value()}}, annotations);
}

}  // namespace tunesmith::registry
