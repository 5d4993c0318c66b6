// Writes an image layer, application/vnd.oci.image.layer.v1.tar+gzip, so that the same files give
// the same bytes on every machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "runtime/result.h"
#include "runtime/sha256.h"

namespace tunesmith::registry {

struct LayerInfo {
  std::string digest;   // of the gzip file: names the blob
  std::string diff_id;  // of the tar in it: stands in the image's configuration
  std::uint64_t size_bytes = 0;
};

// Times are 0, owners are 0:0, files 0644, folders 0755. The gzip part (RFC 1952) holds stored
// blocks (RFC 1951, 3.2.4): weights hardly compress (gzip -1 saves a fifth at a fiftieth of the
// speed), and so the bytes do not depend on any compressor's version. Hashes both forms while
// writing; memory: one 64 KiB block.
class LayerWriter {
 public:
  explicit LayerWriter(const std::filesystem::path& file);

  void add_folder(const std::string& name);  // "data/"
  // Then exactly `size_bytes` bytes by write(). Names of at most 100 bytes, files under 8 GiB
  // (ustar).
  void begin_file(const std::string& name, std::uint64_t size_bytes);
  void write(std::string_view bytes);
  // Transient `DiskFull` when the disk did not take it all.
  Result<LayerInfo> finish();

 private:
  void header(const std::string& name, std::uint64_t size_bytes, char type);
  void tar(std::string_view bytes);
  void pad();
  void stored_block(bool last);
  void emit(std::string_view bytes);

  std::filesystem::path path_;
  std::ofstream out_;
  Sha256 compressed_, plain_;
  std::string block_;
  std::uint64_t tar_bytes_ = 0, gzip_bytes_ = 0;
  std::uint64_t file_left_ = 0;
  unsigned long crc_ = 0;
};

}  // namespace tunesmith::registry
