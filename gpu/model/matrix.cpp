#include "model/matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

namespace tunesmith::engine {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kSmallestBlock = std::size_t{64} << 20;
constexpr std::size_t kAlignment = 64;

std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

Buffer::Buffer(std::size_t size_bytes) : size_bytes_(round_up(size_bytes, kHugePage)) {
  if (size_bytes_ == 0) return;
  void* memory =
      mmap(nullptr, size_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  // Advice only: without large pages everything works, with more TLB misses.
  static_cast<void>(madvise(memory, size_bytes_, MADV_HUGEPAGE));
  data_ = static_cast<std::byte*>(memory);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ != nullptr) munmap(data_, size_bytes_);
}

Matrix Arena::matrix(std::int64_t rows, std::int64_t cols, Elem elem) {
  const std::size_t size =
      round_up(static_cast<std::size_t>(rows * cols * elem_size(elem)), kAlignment);
  while (top_.block < blocks_.size() && top_.used + size > blocks_[top_.block].size_bytes()) {
    top_ = {top_.block + 1, 0};
  }
  if (top_.block == blocks_.size()) blocks_.emplace_back(std::max(size, kSmallestBlock));
  std::byte* data = blocks_[top_.block].data() + top_.used;
  top_.used += size;
  return {data, elem, rows, cols, cols, 1};
}

}  // namespace tunesmith::engine
