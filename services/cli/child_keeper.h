// Keeps one child of the stack running: starts it, says when it is ready, starts it again when it
// dies.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "runtime/log.h"
#include "runtime/retry.h"

namespace tunesmith::cli {

struct KeptChild {
  std::string name;
  std::vector<std::string> argv;
  std::string log;        // file that gets its output
  std::string port_file;  // removed before each start; may be empty
  // Returns true when it serves, false at a stop. Called on a thread of the keeper after each
  // start.
  std::function<bool(std::stop_token)> wait_until_ready;
};

struct ChildEvent {
  enum class Kind { kStarted, kReady, kEnded } kind;
  pid_t pid = 0;
  std::string why{};  // kEnded: "exited with code 1"
};

// Events come from the keeper's threads, in order, one at a time. The destructor stops the child
// and joins.
class ChildKeeper {
 public:
  // Between a death and the next start: back-off from 0.5 s to 30 s, reset after a minute of life.
  // `grace` is how long the child gets after SIGTERM.
  ChildKeeper(KeptChild child, std::chrono::milliseconds grace, const Log& log,
              std::function<void(const ChildEvent&)> on_event);
  void request_stop() { thread_.request_stop(); }

 private:
  void run(std::stop_token stop);
  void live_once(std::stop_token stop);

  KeptChild child_;
  std::chrono::milliseconds grace_;
  Log log_;
  std::function<void(const ChildEvent&)> on_event_;
  Backoff backoff_;
  std::jthread thread_;
};

}  // namespace tunesmith::cli
