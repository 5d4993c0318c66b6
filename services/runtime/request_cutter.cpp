#include "runtime/request_cutter.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tunesmith {
namespace {

// Puts /dev/null in a socket's place: whatever is tried with it next fails at once.
void disarm(int socket) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  ::dup3(null, socket, O_CLOEXEC);
  ::close(null);
}

}  // namespace

RequestCutter::RequestCutter(std::stop_token stop, std::chrono::milliseconds total) {
  if (total.count() > 0) {
    const auto until = std::chrono::steady_clock::now() + total;
    deadline_.emplace([this, until](std::stop_token done) {
      std::unique_lock lock(mutex_);
      over_.wait_until(lock, done, until, [] { return false; });
      lock.unlock();
      if (!done.stop_requested()) cut(Cause::kTimedOut);
    });
  }
  on_stop_.emplace(std::move(stop), Cut{this});
}

RequestCutter::~RequestCutter() {
  on_stop_.reset();
  deadline_.reset();
  if (duplicate_ >= 0) ::close(duplicate_);
}

void RequestCutter::watch_socket(int socket) {
  const std::lock_guard lock(mutex_);
  if (duplicate_ >= 0) ::close(duplicate_);
  duplicate_ = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
  if (cause_ != Cause::kNone) disarm(socket);
}

RequestCutter::Cause RequestCutter::cause() const {
  const std::lock_guard lock(mutex_);
  return cause_;
}

void RequestCutter::cut(Cause cause) {
  {
    const std::lock_guard lock(mutex_);
    if (cause_ != Cause::kNone) return;
    cause_ = cause;
    if (duplicate_ >= 0) ::shutdown(duplicate_, SHUT_RDWR);
  }
  ended_.request_stop();
}

}  // namespace tunesmith
