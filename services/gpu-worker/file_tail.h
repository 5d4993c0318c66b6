// What is appended to a file, line by line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tunesmith::gpu_worker {

// One thread at a time. A file that does not exist (yet) is empty.
class FileTail {
 public:
  explicit FileTail(std::filesystem::path file) : file_(std::move(file)) {}

  struct Lines {
    std::vector<std::string> lines;
    std::uint64_t skipped = 0;  // lines that were passed over
  };
  // The complete lines since the last call. Of more than `at_most` bytes only the last ones; with
  // `to_the_end` also a last line without its end.
  Lines read(std::size_t at_most, bool to_the_end);

 private:
  const std::filesystem::path file_;
  std::uint64_t offset_ = 0;  // of the first byte that was not yet returned
};

}  // namespace tunesmith::gpu_worker
