// SIGTERM and SIGINT as a stop token.
#pragma once

#include <stop_token>

namespace tunesmith {

// Created first in main, before any thread: blocks both signals and waits for them on a thread of
// its own, which requests the stop. A second signal ends the process at once with exit code 1.
// SIGPIPE is ignored.
class Shutdown {
 public:
  Shutdown();
  ~Shutdown();
  Shutdown(const Shutdown&) = delete;
  Shutdown& operator=(const Shutdown&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  void request() { source_.request_stop(); }  // stop from inside the process
  void wait() const;                          // until a stop is requested

 private:
  struct State;
  std::stop_source source_;
  State* state_;
};

}  // namespace tunesmith
