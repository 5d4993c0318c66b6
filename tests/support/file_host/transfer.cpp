#include "file_host/transfer.h"

#include <algorithm>
#include <regex>
#include <utility>

namespace tunesmith::testing {
namespace {

constexpr std::uint64_t kChunkBytes = 64UL * 1024;

}  // namespace

std::optional<Slice> parse_range(const std::string& header, std::uint64_t size) {
  static const std::regex kPattern(R"(bytes=(\d{0,18})-(\d{0,18}))");
  std::smatch match;
  if (!std::regex_match(header, match, kPattern)) return std::nullopt;
  const std::string first = match[1];
  const std::string last = match[2];
  if (first.empty()) {
    if (last.empty() || std::stoull(last) == 0 || size == 0) return std::nullopt;
    const std::uint64_t length = std::min<std::uint64_t>(std::stoull(last), size);
    return Slice{.offset = size - length, .length = length};
  }
  const std::uint64_t begin = std::stoull(first);
  const std::uint64_t end =
      last.empty() ? size : std::min<std::uint64_t>(std::stoull(last) + 1, size);
  if (begin >= end) return std::nullopt;
  return Slice{.offset = begin, .length = end - begin};
}

void StopSignal::request() {
  {
    const std::lock_guard lock(mutex_);
    requested_ = true;
  }
  wake_.notify_all();
}

void StopSignal::wait() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return requested_; });
}

void StopSignal::wait_until(std::chrono::steady_clock::time_point time) {
  std::unique_lock lock(mutex_);
  wake_.wait_until(lock, time, [this] { return requested_; });
}

Transfer::Transfer(const std::filesystem::path& file, Slice slice, Fault fault, StopSignal& stop)
    : file_(file, std::ios::binary), slice_(slice), fault_(std::move(fault)), stop_(stop) {}

std::string_view Transfer::next(std::uint64_t sent) {
  std::uint64_t size = std::min(kChunkBytes, slice_.length - sent);
  if (fault_.cut_after) {
    if (sent >= *fault_.cut_after) return {};
    size = std::min(size, *fault_.cut_after - sent);
  }
  if (fault_.stall_after) {
    if (sent >= *fault_.stall_after) {
      stop_.wait();
      return {};
    }
    size = std::min(size, *fault_.stall_after - sent);
  }
  if (fault_.bytes_per_second != 0) {
    size = std::clamp<std::uint64_t>(fault_.bytes_per_second / 10, 1, size);
    keep_pace(sent);
  }
  const std::uint64_t offset = slice_.offset + sent;
  chunk_.resize(size);
  file_.seekg(static_cast<std::streamoff>(offset));
  if (!file_.read(chunk_.data(), static_cast<std::streamsize>(size))) return {};
  if (fault_.corrupt_at && *fault_.corrupt_at >= offset && *fault_.corrupt_at < offset + size) {
    char& byte = chunk_[*fault_.corrupt_at - offset];
    byte = static_cast<char>(~byte);
  }
  return {chunk_.data(), chunk_.size()};
}

void Transfer::keep_pace(std::uint64_t sent) {
  const std::chrono::duration<double> due(static_cast<double>(sent) /
                                          static_cast<double>(fault_.bytes_per_second));
  stop_.wait_until(begin_ + std::chrono::duration_cast<std::chrono::steady_clock::duration>(due));
}

}  // namespace tunesmith::testing
