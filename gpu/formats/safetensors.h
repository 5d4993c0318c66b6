// The safetensors format: named tensors in one memory-mapped file. Files come from strangers, so
// the header is parsed strictly and every size is bounded before it is believed. Source of the
// format: https://github.com/huggingface/safetensors#format
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "failure.h"

namespace tunesmith::engine {

enum class DType { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

// Bytes of one element.
std::size_t dtype_size(DType dtype);
// The format's word for it, e.g. "BF16".
std::string_view dtype_name(DType dtype);

// A tensor that somebody else owns: `bytes` are row-major, little-endian, shape's product times
// dtype_size long. A view into a file is aligned to dtype_size only when the file's writer aligned
// it: copy with memcpy, or check.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;

  std::int64_t element_count() const;
};

using SafetensorsMetadata = std::map<std::string, std::string>;

// A read-only mapping of one file. The views live as long as the object (also after it was moved
// from into another). All const members may be called from several threads.
class SafetensorsFile {
 public:
  // Failures (permanent): ModelFileMissing, ModelFileInvalid. A file that is cut, has overlapping,
  // missing or surplus bytes, a header over 100 MB, a duplicate name or a dtype that is not in
  // DType is refused.
  static Result<SafetensorsFile> open(const std::filesystem::path& path);

  SafetensorsFile(SafetensorsFile&& other) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&& other) noexcept;
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;
  ~SafetensorsFile();

  // Sorted by name.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  // nullptr when there is no such tensor.
  const TensorView* find(std::string_view name) const;
  const SafetensorsMetadata& metadata() const { return metadata_; }

 private:
  class Mapping;
  SafetensorsFile(std::unique_ptr<Mapping> mapping, std::vector<TensorView> tensors,
                  SafetensorsMetadata metadata);

  std::unique_ptr<Mapping> mapping_;
  std::vector<TensorView> tensors_;
  SafetensorsMetadata metadata_;
};

// Writes the file atomically: to a temporary name beside it, fsync, rename, fsync of the folder.
// The bytes depend on the arguments alone, not on the order of `tensors`: widest dtype first, then
// by name, as the Python package does. Failures: DiskFull (transient) when the disk refuses; a
// view whose shape and bytes disagree, or a duplicate name, is a bug and throws
// std::invalid_argument.
Result<void> write_safetensors(const std::filesystem::path& path,
                               std::span<const TensorView> tensors,
                               const SafetensorsMetadata& metadata = {});

}  // namespace tunesmith::engine
