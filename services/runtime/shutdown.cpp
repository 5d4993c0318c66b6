#include "runtime/shutdown.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <thread>

namespace tunesmith {
namespace {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

struct Shutdown::State {
  int signals = -1;  // signalfd
  int leave = -1;    // eventfd: the Shutdown is being destroyed
  sigset_t mask_before;
  std::thread thread;

  void run(std::stop_source& source) {
    pollfd watched[] = {{signals, POLLIN, 0}, {leave, POLLIN, 0}};
    while (poll(watched, 2, -1) >= 0 || errno == EINTR) {
      if (watched[1].revents != 0) return;
      signalfd_siginfo info{};
      if (watched[0].revents == 0 || read(signals, &info, sizeof info) != sizeof info) continue;
      if (source.stop_requested()) _exit(1);  // asked twice: the person does not want to wait
      source.request_stop();
    }
  }
};

Shutdown::Shutdown() : state_(new State) {
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_BLOCK, &set, &state_->mask_before);
  std::signal(SIGPIPE, SIG_IGN);
  state_->signals = signalfd(-1, &set, SFD_CLOEXEC);
  state_->leave = eventfd(0, EFD_CLOEXEC);
  if (state_->signals < 0 || state_->leave < 0) {
    throw std::runtime_error("cannot create the descriptors that wait for SIGTERM");
  }
  state_->thread =
      std::thread([state = state_, source = source_]() mutable { state->run(source); });
}

Shutdown::~Shutdown() {
  const std::uint64_t one = 1;
  if (write(state_->leave, &one, sizeof one) == sizeof one) state_->thread.join();
  close(state_->signals);
  close(state_->leave);
  pthread_sigmask(SIG_SETMASK, &state_->mask_before, nullptr);
  delete state_;
}

}  // namespace tunesmith
