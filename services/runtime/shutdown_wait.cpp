#include <condition_variable>
#include <mutex>

#include "runtime/shutdown.h"

namespace tunesmith {

void Shutdown::wait() const {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait(lock, token(), [] { return false; });
}

}  // namespace tunesmith
