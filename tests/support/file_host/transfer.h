// The body of one answer: which bytes of a file, at what pace, with which faults.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "file_host/fault.h"

namespace tunesmith::testing {

struct Slice {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// The header Range with one range (RFC 9110, 14.1.2): "bytes=a-b", "bytes=a-" or "bytes=-n" of a
// file of `size` bytes. Nothing when it cannot be satisfied.
std::optional<Slice> parse_range(const std::string& header, std::uint64_t size);

// Ends all waiting at once. Safe to use from several threads.
class StopSignal {
 public:
  void request();
  void wait();
  void wait_until(std::chrono::steady_clock::time_point time);

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool requested_ = false;
};

// Used by one thread at a time. `stop` must outlive it.
class Transfer {
 public:
  Transfer(const std::filesystem::path& file, Slice slice, Fault fault, StopSignal& stop);

  // What comes after the first `sent` bytes, valid until the next call; waits where the fault says
  // so. Empty = close the connection.
  std::string_view next(std::uint64_t sent);

 private:
  void keep_pace(std::uint64_t sent);

  std::ifstream file_;
  Slice slice_;
  Fault fault_;
  StopSignal& stop_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::vector<char> chunk_;
};

}  // namespace tunesmith::testing
