#include "bus/keyed_executor.h"

namespace tunesmith::bus {

KeyedExecutor::~KeyedExecutor() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  for (auto& thread : threads_) thread.join();
}

void KeyedExecutor::submit(const std::string& key, std::function<void()> work) {
  const std::scoped_lock lock(mutex_);
  ++load_;
  const auto [behind, first] = behind_.try_emplace(key);
  if (!first) {
    behind->second.push_back({key, std::move(work)});
    return;
  }
  ready_.push_back({key, std::move(work)});
  if (static_cast<int>(ready_.size()) > idle_ &&
      static_cast<int>(threads_.size()) < most_threads_) {
    threads_.emplace_back([this] { run(); });
  }
  changed_.notify_one();
}

std::size_t KeyedExecutor::load() const {
  const std::scoped_lock lock(mutex_);
  return load_;
}

void KeyedExecutor::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [&] { return !ready_.empty() || (ending_ && load_ == 0); });
    --idle_;
    if (ready_.empty()) return;
    Job job = std::move(ready_.front());
    ready_.pop_front();
    lock.unlock();
    job.work();
    job.work = nullptr;  // what it holds is freed outside the lock
    lock.lock();
    --load_;
    const auto behind = behind_.find(job.key);
    if (behind->second.empty()) {
      behind_.erase(behind);
    } else {
      ready_.push_back(std::move(behind->second.front()));
      behind->second.pop_front();
      changed_.notify_one();
    }
    if (ending_ && load_ == 0) changed_.notify_all();
  }
}

}  // namespace tunesmith::bus
