// The process behind `tunesmith up`: owns nats-server, the registry and the services, and keeps
// stack.json true.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/child_keeper.h"
#include "cli/stack_state.h"
#include "runtime/log.h"
#include "runtime/result.h"

namespace tunesmith::cli {

// One thread calls; events of the children come from their keepers' threads.
class Supervisor {
 public:
  Supervisor(StackPaths paths, StackState state, Log log);

  // Starts everything in order; success when all are ready. `on_ready` gets each child's name.
  // Failures name the child and its log: `ChildFailed` when one died three times before it was
  // ready, `StartTimedOut`, `Stopped`.
  Result<void> start(std::stop_token stop, const std::function<void(const std::string&)>& on_ready);
  // Ends all children in reverse order, services together, within 10 s.
  void stop();

 private:
  struct Entry {
    std::size_t index;  // in state_.children
    std::unique_ptr<ChildKeeper> keeper;
    int deaths_before_ready = 0;
    bool was_ready = false;
  };
  void keep(std::size_t index);
  Result<void> wait_ready(std::size_t from, std::size_t to, std::stop_token stop,
                          const std::function<void(const std::string&)>& on_ready);
  void on_event(std::size_t index, const ChildEvent& event);
  Failure failure_of(const ChildState& child) const;
  void set_state(const std::string& state);
  void save();  // with mutex_ held

  StackPaths paths_;
  Log log_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t events_ = 0;  // so that a waiter sees that something happened
  StackState state_;
  std::vector<Entry> entries_;
  std::chrono::steady_clock::time_point deadline_;
};

// The hidden command: runs until SIGTERM. Lines of progress for `up` go to the descriptor ready_fd,
// then it is closed. Exit code.
int supervise(const std::filesystem::path& dir, int ready_fd);

}  // namespace tunesmith::cli
