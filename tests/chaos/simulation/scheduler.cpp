#include "simulation/scheduler.h"

#include <cxxabi.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>

namespace tunesmith::simulation {
namespace {

constexpr std::size_t kStackBytes = 256u << 10;

std::vector<void*> free_stacks;  // kept for the next history
Scheduler* the_scheduler = nullptr;
Fiber* the_fiber = nullptr;

void* new_stack() {
  void* stack = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) throw std::bad_alloc();
  ::mprotect(stack, 4096, PROT_NONE);  // an overflow must not become somebody else's data
  return stack;
}

// Exceptions that are being handled belong to a thread: each fiber has its own.
void swap_exceptions(void** kept) {
  void* now[2];
  void* globals = abi::__cxa_get_globals();
  std::memcpy(now, globals, sizeof now);
  std::memcpy(globals, kept, sizeof now);
  std::memcpy(kept, now, sizeof now);
}

}  // namespace

Scheduler* scheduler() { return the_scheduler; }

Scheduler::~Scheduler() {
  for (const auto& fiber : fibers_) {
    if (fiber->stack != nullptr) free_stacks.push_back(fiber->stack);
  }
}

Fiber* Scheduler::current() { return the_fiber; }

Process* Scheduler::current_process() const {
  return the_fiber == nullptr ? nullptr : the_fiber->process;
}

void Scheduler::schedule(Fiber& fiber, Time when) {
  due_.push({when, random_.next(), ++numbers_, &fiber, fiber.epoch});
}

Fiber& Scheduler::spawn(Process* process, std::function<void()> body) {
  fibers_.push_back(std::make_unique<Fiber>());
  Fiber& fiber = *fibers_.back();
  fiber.id = fibers_.size();
  fiber.process = process;
  fiber.body = std::move(body);
  if (process != nullptr) process->fibers.push_back(&fiber);
  schedule(fiber, now_);
  return fiber;
}

void Scheduler::at(Time when, std::function<void()> action) {
  fibers_.push_back(std::make_unique<Fiber>());
  Fiber& fiber = *fibers_.back();
  fiber.id = fibers_.size();
  fiber.body = std::move(action);
  schedule(fiber, std::max(when, now_));
}

void Scheduler::run(Time until, const std::function<bool()>& enough) {
  the_scheduler = this;
  __libc_single_threaded = 0;  // libstdc++ must not leave out what only threads need
  while (!due_.empty() && !enough()) {
    const Due next = due_.top();
    if (next.time > until) break;
    due_.pop();
    Fiber& fiber = *next.fiber;
    if (fiber.done || next.epoch != fiber.epoch) continue;
    now_ = std::max(now_, next.time);
    if (fiber.process != nullptr && fiber.process->paused_until > now_) {
      schedule(fiber, fiber.process->paused_until);
      continue;
    }
    resume(fiber);
  }
  if (until != kNever && !enough()) now_ = std::max(now_, until);
  the_scheduler = nullptr;
}

void Scheduler::enter(unsigned low, unsigned high) {
  auto* fiber = reinterpret_cast<Fiber*>((static_cast<std::uintptr_t>(high) << 32) | low);
  fiber->body();
  the_scheduler->finish(*fiber);
}

void Scheduler::resume(Fiber& fiber) {
  ++switches_;
  ++fiber.epoch;
  forget_wait(fiber);
  if (fiber.stack == nullptr) {
    if (free_stacks.empty()) free_stacks.push_back(new_stack());
    fiber.stack = free_stacks.back();
    free_stacks.pop_back();
    ::getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = static_cast<char*>(fiber.stack) + 4096;
    fiber.context.uc_stack.ss_size = kStackBytes - 4096;
    fiber.context.uc_link = nullptr;
    const auto address = reinterpret_cast<std::uintptr_t>(&fiber);
    ::makecontext(&fiber.context, reinterpret_cast<void (*)()>(&Scheduler::enter), 2,
                  static_cast<unsigned>(address), static_cast<unsigned>(address >> 32));
  }
  the_fiber = &fiber;
  swap_exceptions(fiber.exceptions);
  ::swapcontext(&home_, &fiber.context);
  swap_exceptions(fiber.exceptions);
  the_fiber = nullptr;
  if (fiber.done && fiber.stack != nullptr) {
    free_stacks.push_back(fiber.stack);
    fiber.stack = nullptr;
  }
}

void Scheduler::leave(Fiber& fiber) { ::swapcontext(&fiber.context, &home_); }

void Scheduler::finish(Fiber& fiber) {
  fiber.done = true;
  fiber.body = nullptr;
  wake_all(&fiber);
  leave(fiber);
}

bool Scheduler::ended(const Fiber* fiber) const { return fiber->done; }

bool Scheduler::block(const void* key, Time until) {
  Fiber& fiber = *the_fiber;
  ++fiber.epoch;
  fiber.woken = false;
  fiber.waits_on = key;
  if (key != nullptr) waiting_[key].push_back(&fiber);
  if (until != kNever) schedule(fiber, std::max(until, now_));
  leave(fiber);
  return fiber.woken;
}

void Scheduler::forget_wait(Fiber& fiber) {
  if (fiber.waits_on == nullptr) return;
  const auto waiting = waiting_.find(fiber.waits_on);
  if (waiting != waiting_.end()) {
    std::erase(waiting->second, &fiber);
    if (waiting->second.empty()) waiting_.erase(waiting);
  }
  fiber.waits_on = nullptr;
}

void Scheduler::wake_one(const void* key) {
  const auto waiting = waiting_.find(key);
  if (waiting == waiting_.end()) return;
  Fiber& fiber = *waiting->second[random_.below(waiting->second.size())];
  forget_wait(fiber);
  fiber.woken = true;
  ++fiber.epoch;
  schedule(fiber, now_);
}

void Scheduler::wake_all(const void* key) {
  while (waiting_.contains(key)) wake_one(key);
}

void Scheduler::kill(Process& process) {
  if (!process.alive) return;
  process.alive = false;
  Fiber* self = nullptr;
  for (Fiber* fiber : process.fibers) {
    if (fiber->done) continue;
    forget_wait(*fiber);
    fiber->done = true;
    if (fiber == the_fiber) {
      self = fiber;
    } else if (fiber->stack != nullptr) {
      free_stacks.push_back(fiber->stack);
      fiber->stack = nullptr;
    }
  }
  for (const int descriptor : std::set<int>(process.descriptors)) ::close(descriptor);
  process.descriptors.clear();
  if (process.ended) process.ended(-1);
  if (self != nullptr) leave(*self);
}

}  // namespace tunesmith::simulation
