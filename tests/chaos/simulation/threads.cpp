// The operating system of the simulated processes: threads, mutexes, condition variables, clocks,
// process ids, file descriptors.
//
// The services are linked into the simulation as they are. What they ask of the C library is
// answered here while a fiber runs, and passed on to the real C library otherwise. (The dynamic
// linker takes the program's own definition of a function before the library's; libstdc++ is served
// in this way too.) Because only one fiber runs at a time and gives way only where it waits, an
// uncontended mutex is a plain flag.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <ctime>
#include <random>

#include "simulation/scheduler.h"
#include "simulation/world.h"

namespace {

using namespace tunesmith::simulation;

// The C library's own. Some functions exist in several versions: the one that programs are linked
// with today is asked for first.
template <typename Function>
Function* real(const char* name, const char* version = nullptr) {
  void* found = version == nullptr ? nullptr : ::dlvsym(RTLD_NEXT, name, version);
  if (found == nullptr) found = ::dlsym(RTLD_NEXT, name);
  return reinterpret_cast<Function*>(found);
}

constexpr const char* kCondVersion = "GLIBC_2.3.2";

bool simulated() { return Scheduler::current() != nullptr; }

// A mutex's state in its first word, as the C library has it: 0 = free.
int& held(pthread_mutex_t* mutex) { return mutex->__data.__lock; }

bool is_recursive(const pthread_mutex_t* mutex) {
  return (mutex->__data.__kind & 3) == PTHREAD_MUTEX_RECURSIVE;
}

int owner_of(const pthread_mutex_t* mutex) { return mutex->__data.__owner; }

int self_id() { return static_cast<int>(Scheduler::current()->id); }

bool try_lock(pthread_mutex_t* mutex) {
  if (held(mutex) != 0) {
    if (!is_recursive(mutex) || owner_of(mutex) != self_id()) return false;
    ++mutex->__data.__count;
    return true;
  }
  held(mutex) = 1;
  mutex->__data.__owner = self_id();
  mutex->__data.__count = 1;
  return true;
}

void lock(pthread_mutex_t* mutex) {
  while (!try_lock(mutex)) scheduler()->block(mutex, kNever);
}

void unlock(pthread_mutex_t* mutex) {
  if (is_recursive(mutex) && --mutex->__data.__count > 0) return;
  held(mutex) = 0;
  mutex->__data.__owner = 0;
  mutex->__data.__count = 0;
  scheduler()->wake_one(mutex);
}

bool wait_on(pthread_cond_t* condition, pthread_mutex_t* mutex, Time until) {
  unlock(mutex);
  const bool woken = scheduler()->block(condition, until);
  lock(mutex);
  return woken;
}

// An absolute time of one of the simulated clocks as virtual time.
Time virtual_time(clockid_t clock, const timespec& at) {
  const Time begin = clock == CLOCK_REALTIME ? kWallBegin : kSteadyBegin;
  if (at.tv_sec > (kNever / 2) / kSecond) return kNever;
  return at.tv_sec * kSecond + at.tv_nsec - begin;
}

Fiber* fiber_of(pthread_t thread) { return reinterpret_cast<Fiber*>(thread); }

}  // namespace

extern "C" {

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) noexcept {
  if (!simulated()) {
    static auto* const next = real<decltype(pthread_create)>("pthread_create", "GLIBC_2.34");
    return next(thread, attributes, start, argument);
  }
  Fiber& fiber =
      scheduler()->spawn(scheduler()->current_process(), [start, argument] { start(argument); });
  *thread = reinterpret_cast<pthread_t>(&fiber);
  return 0;
}

int pthread_join(pthread_t thread, void** result) {
  if (!simulated()) {
    static auto* const next = real<decltype(pthread_join)>("pthread_join", "GLIBC_2.34");
    return next(thread, result);
  }
  Fiber* fiber = fiber_of(thread);
  while (!scheduler()->ended(fiber)) scheduler()->block(fiber, kNever);
  return 0;
}

int pthread_detach(pthread_t thread) noexcept {
  if (simulated()) return 0;
  static auto* const next = real<decltype(pthread_detach)>("pthread_detach", "GLIBC_2.34");
  return next(thread);
}

pthread_t pthread_self() noexcept {
  if (simulated()) return reinterpret_cast<pthread_t>(Scheduler::current());
  static auto* const next = real<decltype(pthread_self)>("pthread_self");
  return next();
}

int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  if (!simulated()) {
    static auto* const next = real<decltype(pthread_mutex_lock)>("pthread_mutex_lock");
    return next(mutex);
  }
  lock(mutex);
  return 0;
}

int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  if (!simulated()) {
    static auto* const next = real<decltype(pthread_mutex_trylock)>("pthread_mutex_trylock");
    return next(mutex);
  }
  return try_lock(mutex) ? 0 : EBUSY;
}

int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  if (!simulated()) {
    static auto* const next = real<decltype(pthread_mutex_unlock)>("pthread_mutex_unlock");
    return next(mutex);
  }
  unlock(mutex);
  return 0;
}

int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  if (!simulated()) {
    static auto* const next = real<decltype(pthread_cond_wait)>("pthread_cond_wait", kCondVersion);
    return next(condition, mutex);
  }
  wait_on(condition, mutex, kNever);
  return 0;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* at) {
  if (!simulated()) {
    static auto* const next =
        real<decltype(pthread_cond_timedwait)>("pthread_cond_timedwait", kCondVersion);
    return next(condition, mutex, at);
  }
  return wait_on(condition, mutex, virtual_time(CLOCK_REALTIME, *at)) ? 0 : ETIMEDOUT;
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* at) {
  if (!simulated()) {
    static auto* const next =
        real<decltype(pthread_cond_clockwait)>("pthread_cond_clockwait", "GLIBC_2.34");
    return next(condition, mutex, clock, at);
  }
  return wait_on(condition, mutex, virtual_time(clock, *at)) ? 0 : ETIMEDOUT;
}

int pthread_cond_signal(pthread_cond_t* condition) noexcept {
  if (!simulated()) {
    static auto* const next =
        real<decltype(pthread_cond_signal)>("pthread_cond_signal", kCondVersion);
    return next(condition);
  }
  scheduler()->wake_one(condition);
  return 0;
}

int pthread_cond_broadcast(pthread_cond_t* condition) noexcept {
  if (!simulated()) {
    static auto* const next =
        real<decltype(pthread_cond_broadcast)>("pthread_cond_broadcast", kCondVersion);
    return next(condition);
  }
  scheduler()->wake_all(condition);
  return 0;
}

int pthread_cond_destroy(pthread_cond_t* condition) noexcept {
  if (simulated()) return 0;
  static auto* const next =
      real<decltype(pthread_cond_destroy)>("pthread_cond_destroy", kCondVersion);
  return next(condition);
}

int sched_yield() noexcept {
  if (simulated()) {
    scheduler()->sleep(0);
    return 0;
  }
  static auto* const next = real<decltype(sched_yield)>("sched_yield");
  return next();
}

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (!simulated()) {
    static auto* const next = real<decltype(clock_gettime)>("clock_gettime");
    return next(clock, time);
  }
  const Time now = scheduler()->now() + (clock == CLOCK_REALTIME ? kWallBegin : kSteadyBegin);
  time->tv_sec = now / kSecond;
  time->tv_nsec = now % kSecond;
  return 0;
}

pid_t getpid() noexcept {
  const Process* process = simulated() ? scheduler()->current_process() : nullptr;
  return process != nullptr ? process->pid : static_cast<pid_t>(::syscall(SYS_getpid));
}

// Atomic waits (of semaphores, and of a stop_callback that is destroyed while it runs elsewhere).
long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  if (simulated() && number == SYS_futex) {
    auto* word = reinterpret_cast<int*>(arguments[0]);
    const long operation = arguments[1] & FUTEX_CMD_MASK;
    if (operation == FUTEX_WAKE) scheduler()->wake_all(word);
    if (operation == FUTEX_WAIT && *word == static_cast<int>(arguments[2])) {
      scheduler()->block(word, kNever);
    }
    return 0;
  }
  static auto* const next = real<long(long, ...)>("syscall");
  return next(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
              arguments[5]);
}

// The kernel closes what a dead process had open, and so gives back its file locks.
int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  static auto* const next = real<int(const char*, int, ...)>("open");
  const int descriptor = next(path, flags, mode);
  Process* process = simulated() ? scheduler()->current_process() : nullptr;
  if (process != nullptr && descriptor >= 0) process->descriptors.insert(descriptor);
  return descriptor;
}

int close(int descriptor) {
  static auto* const next = real<decltype(close)>("close");
  Process* process = simulated() ? scheduler()->current_process() : nullptr;
  if (process != nullptr) process->descriptors.erase(descriptor);
  return next(descriptor);
}

// Log lines of a service go into the story.
ssize_t write(int descriptor, const void* bytes, size_t count) {
  if (simulated() && descriptor == STDERR_FILENO) {
    if (world() != nullptr) world()->hear_log({static_cast<const char*>(bytes), count});
    return static_cast<ssize_t>(count);
  }
  static auto* const next = real<decltype(write)>("write");
  return next(descriptor, bytes, count);
}

}  // extern "C"

// What the services take from the hardware's random numbers (ids of traces, jitter) is decided by
// the seed as well.
std::random_device::result_type std::random_device::_M_getval() {
  if (simulated() && world() != nullptr) {
    return static_cast<result_type>(world()->chance("hardware").next());
  }
  static result_type count = 0;
  return ++count * 2654435761u;
}
