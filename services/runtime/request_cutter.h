// Ends a running HTTP request from outside: at a stop, at its deadline, or never.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

namespace tunesmith {

// One per request. The socket is shut down through a duplicate that this object owns, so that it
// works while httplib connects or shakes hands (it holds its lock then) and cannot hit a descriptor
// that was given to somebody else meanwhile.
class RequestCutter {
 public:
  enum class Cause { kNone, kStopped, kTimedOut };

  // total 0 = no deadline. The deadline is watched by a thread that this object owns.
  RequestCutter(std::stop_token stop, std::chrono::milliseconds total);
  ~RequestCutter();
  RequestCutter(const RequestCutter&) = delete;
  RequestCutter& operator=(const RequestCutter&) = delete;

  // Called with each socket before it connects. Once cut, the socket is made useless at once.
  void watch_socket(int socket);
  Cause cause() const;
  // Requested once it is cut.
  std::stop_token ended() const { return ended_.get_token(); }

 private:
  void cut(Cause cause);

  mutable std::mutex mutex_;
  std::condition_variable_any over_;
  int duplicate_ = -1;
  Cause cause_ = Cause::kNone;
  std::stop_source ended_;
  std::optional<std::jthread> deadline_;
  struct Cut {
    RequestCutter* cutter;
    void operator()() const { cutter->cut(Cause::kStopped); }
  };
  std::optional<std::stop_callback<Cut>> on_stop_;
};

}  // namespace tunesmith
