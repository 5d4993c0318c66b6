#include "file_tail.h"

#include <algorithm>
#include <fstream>

namespace tunesmith::gpu_worker {
namespace {

constexpr std::size_t kChunk = 64u << 10;

// Passes over bytes up to `end`; how many lines ended in them.
std::uint64_t skip_to(std::ifstream& in, std::uint64_t from, std::uint64_t end) {
  std::string chunk(kChunk, '\0');
  std::uint64_t lines = 0;
  while (from < end) {
    const auto wanted = std::min<std::uint64_t>(kChunk, end - from);
    in.read(chunk.data(), static_cast<std::streamsize>(wanted));
    const auto got = in.gcount();
    if (got <= 0) break;
    lines += static_cast<std::uint64_t>(std::count(chunk.begin(), chunk.begin() + got, '\n'));
    from += static_cast<std::uint64_t>(got);
  }
  return lines;
}

}  // namespace

FileTail::Lines FileTail::read(std::size_t at_most, bool to_the_end) {
  Lines found;
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(file_, error);
  if (error || size <= offset_) return found;
  std::ifstream in(file_, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset_));
  const bool cut = size - offset_ > at_most;
  if (cut) {
    found.skipped = skip_to(in, offset_, size - at_most);
    offset_ = size - at_most;
  }
  std::string text(size - offset_, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  std::size_t begin = 0;
  if (cut) {  // the rest of a line whose beginning was passed over
    begin = std::min(text.find('\n'), text.size() - 1) + 1;
    ++found.skipped;
  }
  for (std::size_t end = text.find('\n', begin); end != std::string::npos;
       end = text.find('\n', begin)) {
    found.lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (to_the_end && begin < text.size()) {
    found.lines.push_back(text.substr(begin));
    begin = text.size();
  }
  offset_ += begin;
  return found;
}

}  // namespace tunesmith::gpu_worker
