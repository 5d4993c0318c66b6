// Matrices in memory: what the decoder's arithmetic reads and writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tunesmith::engine {

// Type of the elements that the matrix products work on. The residual stream, the adapter, its
// gradients and moments and the loss are always fp32.
enum class Elem { kF32, kBf16 };

constexpr std::int64_t elem_size(Elem elem) { return elem == Elem::kF32 ? 4 : 2; }

// A view of a matrix that somebody else owns. Strides are in elements. Cheap to copy.
struct Matrix {
  void* data = nullptr;
  Elem elem = Elem::kF32;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t row_stride = 0;
  std::int64_t col_stride = 1;

  Matrix transposed() const { return {data, elem, cols, rows, col_stride, row_stride}; }
  Matrix row_range(std::int64_t begin, std::int64_t count) const {
    return {at(begin, 0), elem, count, cols, row_stride, col_stride};
  }
  Matrix col_range(std::int64_t begin, std::int64_t count) const {
    return {at(0, begin), elem, rows, count, row_stride, col_stride};
  }
  float* f32() const { return static_cast<float*>(data); }

 private:
  void* at(std::int64_t row, std::int64_t col) const {
    return static_cast<std::byte*>(data) + (row * row_stride + col * col_stride) * elem_size(elem);
  }
};

// Zeroed memory in large pages where the system has them. Move-only.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size_bytes);  // throws std::bad_alloc
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  std::byte* data() const { return data_; }
  std::size_t size_bytes() const { return size_bytes_; }
  // The beginning of the buffer as a dense matrix.
  Matrix matrix(std::int64_t rows, std::int64_t cols, Elem elem) const {
    return {data_, elem, rows, cols, cols, 1};
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_bytes_ = 0;
};

// Hands out matrices for one pass and takes them all back at once, so that a training step
// allocates nothing once the longest batch was seen. Contents are whatever was there before.
// Not thread-safe.
class Arena {
 public:
  // Dense, aligned to 64 bytes, valid until the mark before it is released.
  Matrix matrix(std::int64_t rows, std::int64_t cols, Elem elem);
  float* floats(std::int64_t count) { return matrix(1, count, Elem::kF32).f32(); }

  struct Mark {
    std::size_t block = 0;
    std::size_t used = 0;
  };
  Mark mark() const { return top_; }
  // Everything taken since `mark` is free again.
  void release(Mark mark) { top_ = mark; }

 private:
  std::vector<Buffer> blocks_;
  Mark top_;
};

}  // namespace tunesmith::engine
