// The log lines of workers: stream TUNESMITH_LOGS, subject tunesmith.logs.v1.<uid>, one message per
// batch of lines. Bounded by topology.cpp: the oldest batches go first.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::bus {

struct LogLine {
  std::string time{};         // RFC 3339
  std::string source{};       // "agent" or "engine"
  std::uint64_t attempt = 0;  // 0 = before the first
  std::string text{};         // one line, without its end
  bool operator==(const LogLine&) const = default;
};

// A JSON array of {"time", "source", "attempt", "text"}. Bytes that are not UTF-8 become U+FFFD.
std::string encode_log_lines(const std::vector<LogLine>& lines);
// nullopt when it is no such array; what a line lacks is empty.
std::optional<std::vector<LogLine>> decode_log_lines(const std::string& payload);

// The largest payload of one batch, in bytes.
inline constexpr std::size_t kLargestLogBatch = 64u << 10;

// Thread-safe. Transient `BusUnavailable`.
class LogStream {
 public:
  virtual ~LogStream() = default;

  // Stores one batch. Gives up soon (2 s): logs are worth losing. Permanent `EventTooLarge` above
  // kLargestLogBatch.
  virtual Result<void> append(const std::string& uid, const std::vector<LogLine>& lines) = 0;

  // Every stored batch of a uid in order, then new ones as they come when `follow`, on the calling
  // thread, until `on_batch` returns false, the stored ones are over (without follow) or `stop`.
  // `behind` is the number of stored batches after this one at that moment. Batches that cannot be
  // read are passed over.
  virtual Result<void> read(
      const std::string& uid, bool follow,
      const std::function<bool(const std::vector<LogLine>& lines, std::uint64_t behind)>& on_batch,
      std::stop_token stop) = 0;

  // Removes all lines of a uid. Idempotent.
  virtual Result<void> purge(const std::string& uid) = 0;
};

}  // namespace tunesmith::bus
