// Virtual time and virtual threads: everything that happens in a history happens here, one thing at
// a time, in an order that the seed decides.
#pragma once

#include <ucontext.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <queue>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "simulation/random.h"

namespace tunesmith::simulation {

using Time = std::int64_t;  // nanoseconds since the history began
inline constexpr Time kNever = std::numeric_limits<Time>::max();
inline constexpr Time kMillisecond = 1'000'000;
inline constexpr Time kSecond = 1'000 * kMillisecond;
inline constexpr Time kMinute = 60 * kSecond;

struct Fiber;

// A simulated process: a service from its start to its end. Its threads are fibers, its memory is
// ours: a killed one simply never runs again, and what it held is not freed (the operating system's
// part: who runs many histories runs them in children of its own, see runner.h).
struct Process {
  std::string name;
  int pid = 0;
  bool alive = true;
  Time paused_until = 0;                 // SIGSTOP until then
  std::set<int> descriptors{};           // of real files, closed when it dies
  std::vector<Fiber*> fibers{};          // the first runs main
  std::stop_source* shutdown = nullptr;  // of its Shutdown, while that lives
  std::uint64_t operations = 0;          // on the world, so far
  // What waits for it at one of its operations, before or after its effect.
  enum class Fate { kNone, kDies, kStalls } fate = Fate::kNone;
  std::uint64_t fate_at = 0;
  bool fate_after_effect = false;
  std::function<void(int exit_code)> ended;  // told once; -1 when it was killed
};

class Scheduler {
 public:
  explicit Scheduler(std::uint64_t seed) : random_(seed, "schedule") {}
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  Time now() const { return now_; }
  // Runs what is due, in the order of time; equal times in an order that the seed decides. Until
  // nothing is left, `until` is reached (now() is `until` then), or `enough` says so.
  void run(Time until, const std::function<bool()>& enough);

  // A new thread of `process` (nullptr = of the world outside).
  Fiber& spawn(Process* process, std::function<void()> body);
  // On a fiber of the world outside.
  void at(Time when, std::function<void()> action);
  // The process never runs again. May be called by one of its own fibers; does not return then.
  void kill(Process& process);

  // For the fiber that runs at the moment.
  static Fiber* current();
  Process* current_process() const;
  // Waits until somebody wakes `key` (true) or the time comes (false).
  bool block(const void* key, Time until);
  void sleep(Time duration) { block(nullptr, now_ + duration); }
  void wake_one(const void* key);
  void wake_all(const void* key);
  bool ended(const Fiber* fiber) const;

  std::uint64_t switches() const { return switches_; }

 private:
  struct Due {
    Time time;
    std::uint64_t order;  // random
    std::uint64_t number;
    Fiber* fiber;
    std::uint64_t epoch;  // of the fiber: an entry of an earlier wait is void
    bool operator>(const Due& other) const {
      if (time != other.time) return time > other.time;
      return order != other.order ? order > other.order : number > other.number;
    }
  };
  void schedule(Fiber& fiber, Time when);
  void resume(Fiber& fiber);
  void leave(Fiber& fiber);  // back to run()
  void finish(Fiber& fiber);
  void forget_wait(Fiber& fiber);
  static void enter(unsigned low, unsigned high);

  Random random_;
  Time now_ = 0;
  std::uint64_t numbers_ = 0;
  std::uint64_t switches_ = 0;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::unordered_map<const void*, std::vector<Fiber*>> waiting_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  ucontext_t home_{};
};

struct Fiber {
  std::uint64_t id = 0;
  Process* process = nullptr;
  std::function<void()> body;
  ucontext_t context{};
  void* stack = nullptr;
  bool done = false;
  const void* waits_on = nullptr;
  std::uint64_t epoch = 0;
  bool woken = false;
  void* exceptions[2] = {nullptr, nullptr};  // the thread's __cxa_eh_globals
};

// The scheduler of the history that runs in this (real) process; nullptr outside of histories.
Scheduler* scheduler();

}  // namespace tunesmith::simulation
