// What the supervisor tells `tunesmith up` while it starts: lines on a pipe, "ready NAME", then
// "up" or "failed MESSAGE".
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "runtime/result.h"

namespace tunesmith::cli {

// The supervisor's end. Nobody listening any more is no problem.
class UpReporter {
 public:
  explicit UpReporter(int fd) : fd_(fd) {}
  ~UpReporter() { finish(); }
  UpReporter(const UpReporter&) = delete;
  UpReporter& operator=(const UpReporter&) = delete;

  void ready(const std::string& name) { line("ready " + name); }
  void done();
  void failed(const std::string& message);

 private:
  void line(std::string text);
  void finish();
  int fd_;
};

// The other end: reads until "up" (success), "failed" (its message), the end of the pipe or the
// deadline.
Result<void> follow_start(int fd, std::chrono::milliseconds limit,
                          const std::function<void(const std::string& name)>& on_ready);

}  // namespace tunesmith::cli
