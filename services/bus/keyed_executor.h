// Runs work on a bounded number of threads; works of one key run one after the other, in the order
// they came.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tunesmith::bus {

// Thread-safe. Threads are started when there is work for them and joined by the destructor.
class KeyedExecutor {
 public:
  explicit KeyedExecutor(int most_threads) : most_threads_(most_threads) {}
  // Waits until everything that was submitted has run.
  ~KeyedExecutor();

  // `work` must not throw.
  void submit(const std::string& key, std::function<void()> work);
  // Works that run or wait.
  std::size_t load() const;

 private:
  struct Job {
    std::string key;
    std::function<void()> work;
  };
  void run();

  const int most_threads_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> ready_;
  std::map<std::string, std::deque<Job>> behind_;  // one entry per key that runs or is ready
  std::vector<std::thread> threads_;
  int idle_ = 0;
  std::size_t load_ = 0;
  bool ending_ = false;
};

}  // namespace tunesmith::bus
