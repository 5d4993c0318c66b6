#include "registry/layer_writer.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace tunesmith::registry {

namespace {

constexpr std::size_t kTarBlock = 512;
constexpr std::size_t kStoredBlock = 65535;  // a stored block's length has 16 bits

// Deflate method, no flags, time 0, no hint, unknown file system.
constexpr std::string_view kGzipHeader("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10);

std::string little_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

}  // namespace

LayerWriter::LayerWriter(const std::filesystem::path& file)
    : path_(file), out_(file, std::ios::binary | std::ios::trunc), crc_(crc32(0, nullptr, 0)) {
  block_.reserve(kStoredBlock);
  emit(kGzipHeader);
}

void LayerWriter::add_folder(const std::string& name) {
  pad();
  header(name, 0, '5');
}

void LayerWriter::begin_file(const std::string& name, std::uint64_t size_bytes) {
  pad();
  header(name, size_bytes, '0');
  file_left_ = size_bytes;
}

void LayerWriter::write(std::string_view bytes) {
  assert(bytes.size() <= file_left_);
  file_left_ -= bytes.size();
  tar(bytes);
}

Result<LayerInfo> LayerWriter::finish() {
  pad();
  tar(std::string(2 * kTarBlock, '\0'));
  stored_block(true);
  emit(little_endian(crc_, 4) + little_endian(tar_bytes_ & 0xffffffffu, 4));
  out_.close();
  if (!out_) {
    return transient("DiskFull",
                     "cannot write " + path_.string() + ": is the disk full? (key work_dir)");
  }
  return LayerInfo{"sha256:" + compressed_.hex(), "sha256:" + plain_.hex(), gzip_bytes_};
}

void LayerWriter::header(const std::string& name, std::uint64_t size_bytes, char type) {
  assert(name.size() <= 100 && size_bytes < (1ull << 33));
  std::array<char, kTarBlock> block{};
  const auto put = [&block](std::size_t at, std::string_view text) {
    std::memcpy(block.data() + at, text.data(), text.size());
  };
  put(0, name);
  put(100, type == '5' ? "0000755" : "0000644");
  put(108, "0000000");  // user
  put(116, "0000000");  // group
  put(124, fmt::format("{:011o}", size_bytes));
  put(136, "00000000000");  // time
  put(148, "        ");
  block[156] = type;
  put(257, std::string_view("ustar\00000", 8));
  unsigned int sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum));
  block[154] = '\0';  // then the blank that stands there already
  tar({block.data(), block.size()});
}

void LayerWriter::pad() {
  assert(file_left_ == 0);
  tar(std::string((kTarBlock - tar_bytes_ % kTarBlock) % kTarBlock, '\0'));
}

void LayerWriter::tar(std::string_view bytes) {
  plain_.update(bytes);
  crc_ = crc32_z(crc_, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  tar_bytes_ += bytes.size();
  while (!bytes.empty()) {
    const std::size_t take = std::min(bytes.size(), kStoredBlock - block_.size());
    block_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (block_.size() == kStoredBlock) stored_block(false);
  }
}

void LayerWriter::stored_block(bool last) {
  const std::uint64_t size = block_.size();
  emit(std::string(1, last ? '\1' : '\0') + little_endian(size, 2) + little_endian(~size, 2));
  emit(block_);
  block_.clear();
}

void LayerWriter::emit(std::string_view bytes) {
  compressed_.update(bytes);
  gzip_bytes_ += bytes.size();
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace tunesmith::registry
