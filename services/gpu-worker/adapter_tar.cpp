#include "adapter_tar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <numeric>
#include <string_view>
#include <vector>

namespace tunesmith::gpu_worker {
namespace {

constexpr std::size_t kBlock = 512;
using Header = std::array<char, kBlock>;

void put(Header& header, std::size_t offset, std::string_view text) {
  std::copy(text.begin(), text.end(), header.begin() + static_cast<std::ptrdiff_t>(offset));
}

// Field offsets and the checksum (sum of all bytes, its own field read as spaces) are those of the
// ustar format.
Header header_of(std::string_view name, std::uint64_t size_bytes) {
  Header header{};
  put(header, 0, name);
  put(header, 100, "0000644");
  put(header, 108, "0000000");
  put(header, 116, "0000000");
  put(header, 124, fmt::format("{:011o}", size_bytes));
  put(header, 136, "00000000000");
  put(header, 148, "        ");
  header[156] = '0';
  put(header, 257, std::string_view("ustar\00000", 8));
  const auto sum = std::accumulate(header.begin(), header.end(), 0u, [](unsigned total, char c) {
    return total + static_cast<unsigned char>(c);
  });
  put(header, 148, fmt::format("{:06o}", sum));
  header[154] = '\0';
  return header;
}

bool append_file(const std::filesystem::path& file, std::uint64_t size_bytes, std::ostream& out) {
  std::ifstream in(file, std::ios::binary);
  std::vector<char> piece(1u << 20);
  std::uint64_t copied = 0;
  while (in && copied < size_bytes) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    out.write(piece.data(), in.gcount());
    copied += static_cast<std::uint64_t>(in.gcount());
  }
  const std::vector<char> padding((kBlock - size_bytes % kBlock) % kBlock, '\0');
  out.write(padding.data(), static_cast<std::streamsize>(padding.size()));
  return copied == size_bytes && out.good();
}

}  // namespace

Result<void> write_adapter_tar(const std::filesystem::path& adapter_dir,
                               const std::filesystem::path& archive) {
  std::ofstream out(archive, std::ios::binary | std::ios::trunc);
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"}) {
    std::error_code error;
    const auto size_bytes = std::filesystem::file_size(adapter_dir / name, error);
    if (error) {
      return permanent("AdapterMissing",
                       fmt::format("the engine said it finished, but {} is not in "
                                   "its adapter folder; its log says more",
                                   name));
    }
    const Header header = header_of(name, size_bytes);
    out.write(header.data(), kBlock);
    if (!append_file(adapter_dir / name, size_bytes, out)) {
      return transient("DiskFull", fmt::format("{} could not be copied into {}: is the disk full?",
                                               name, archive.string()));
    }
  }
  const std::array<char, 2 * kBlock> end{};
  out.write(end.data(), end.size());
  out.close();
  if (!out) return transient("DiskFull", "could not write " + archive.string());
  return {};
}

}  // namespace tunesmith::gpu_worker
