// Publishes what agent and engine say of one Workspace, in batches, on a thread of its own:
// training never waits for it. What is too much is dropped, and the number of lines is told.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bus/log_stream.h"
#include "engine_line.h"
#include "file_tail.h"

namespace tunesmith::gpu_worker {

struct LogLimits {
  std::chrono::milliseconds batch_every{1'000};
  std::size_t queued_lines = 200;        // between two batches
  std::size_t batch_bytes = 16u << 10;   // of text
  std::size_t engine_bytes = 16u << 10;  // of the engine's standard error per batch
};

// Thread-safe. `logs` outlives it.
class LogShipper {
 public:
  LogShipper(bus::LogStream& logs, std::string uid, LogLimits limits = {});
  ~LogShipper();
  LogShipper(const LogShipper&) = delete;
  LogShipper& operator=(const LogShipper&) = delete;

  // Lines are taken from here on; the engine's standard error is what is appended to `engine_log`.
  void begin(std::uint64_t attempt, const std::filesystem::path& engine_log);
  // Publishes what is left (giving up soon), then takes nothing more until the next begin(): after
  // the lease is given back, a clean-up may have passed.
  void end();

  // Never waits. Ignored outside of begin() … end().
  void agent_says(std::string_view json_line);
  void engine_says(const EngineLine& line);

 private:
  void work(const std::stop_token& stop);
  void add(const char* source, const std::string& text);
  struct Batch {
    std::vector<bus::LogLine> lines;
    std::uint64_t dropped = 0;  // told by the last of the lines
  };
  Batch take(bool last);
  void send(bool last);  // with send_mutex_ held

  bus::LogStream& logs_;
  const std::string uid_;
  const LogLimits limits_;

  std::mutex mutex_;
  std::condition_variable_any stopping_;
  bool open_ = false;
  std::uint64_t attempt_ = 0;
  std::uint64_t dropped_ = 0;
  std::deque<bus::LogLine> queue_;

  std::mutex send_mutex_;  // one batch after the other; taken before mutex_
  std::filesystem::path engine_log_;
  std::unique_ptr<FileTail> tail_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace tunesmith::gpu_worker
