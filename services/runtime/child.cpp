#include "runtime/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace tunesmith::child {
namespace {

// Everything the child needs between fork and exec, where it may not allocate.
struct Prepared {
  std::string program;
  std::vector<std::string> environment_text;
  std::vector<char*> argv, envp;
  std::string directory;
  pid_t parent = 0;
  bool own_group = true, die_with_parent = true;
  Descriptor input, output, error;  // what becomes 0, 1, 2
  Descriptor report;                // errno goes here when exec fails
};

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): read only
  std::string_view rest = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    std::string candidate = std::string(rest.substr(0, colon)) + "/" + name;
    if (colon > 0 && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return "";
}

bool is_needed_to_run(std::string_view name) {
  constexpr std::array<std::string_view, 11> kNames{"PATH",
                                                    "HOME",
                                                    "USER",
                                                    "LOGNAME",
                                                    "LANG",
                                                    "LANGUAGE",
                                                    "TZ",
                                                    "TMPDIR",
                                                    "PWD",
                                                    "LD_LIBRARY_PATH",
                                                    "TUNESMITH_ALLOW_CORE_DUMPS"};
  constexpr std::array<std::string_view, 13> kPrefixes{
      "LC_",   "OMP_",    "GOMP_", "KMP_",   "MKL_",  "DNNL_", "ONEDNN_",
      "CUDA_", "NVIDIA_", "NCCL_", "TORCH_", "ASAN_", "UBSAN_"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
         std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

void prepare_environment(const ProcessOptions& options, Prepared& prepared) {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string name(text.substr(0, text.find('=')));
    if (options.bare_environment && !is_needed_to_run(name)) continue;
    if (options.environment.count(name) == 0) prepared.environment_text.emplace_back(text);
  }
  for (const auto& [name, value] : options.environment) {
    prepared.environment_text.push_back(std::string(name).append("=").append(value));
  }
  for (std::string& text : prepared.environment_text) prepared.envp.push_back(text.data());
  prepared.envp.push_back(nullptr);
}

// {ours, the child's}; both are closed on exec, dup2 clears that for the child's.
bool make_pipe(Descriptor& read_end, Descriptor& write_end) {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return false;
  read_end = Descriptor(fds[0]);
  write_end = Descriptor(fds[1]);
  return true;
}

bool prepare_streams(const ProcessOptions& options, const Sinks& sinks, Pipes& pipes,
                     Prepared& prepared) {
  const auto open_file = [](const char* path, int flags) {
    return Descriptor(::open(path, flags | O_CLOEXEC, 0600));
  };
  const auto sink_or_file = [&](const std::function<void(std::string_view)>& sink, Descriptor& ours,
                                Descriptor& theirs) {
    if (sink) return make_pipe(ours, theirs);
    theirs = options.log_file ? open_file(options.log_file->c_str(), O_WRONLY | O_CREAT | O_APPEND)
                              : open_file("/dev/null", O_WRONLY);
    return theirs.open();
  };
  if (options.input.empty()) {
    prepared.input = open_file("/dev/null", O_RDONLY);
    if (!prepared.input.open()) return false;
  } else if (!make_pipe(prepared.input, pipes.input)) {
    return false;
  }
  return sink_or_file(sinks.output, pipes.output, prepared.output) &&
         sink_or_file(sinks.error, pipes.error, prepared.error);
}

// Only async-signal-safe calls from here to exec: other threads' locks are frozen in this copy.
[[noreturn]] void become(const Prepared& prepared) {
  const auto fail = [&] {
    const int error = errno;
    [[maybe_unused]] const ssize_t n = ::write(prepared.report.get(), &error, sizeof error);
    ::_exit(127);
  };
  if (prepared.own_group && ::setpgid(0, 0) != 0) fail();
  if (prepared.die_with_parent) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail();
    if (::getppid() != prepared.parent) ::_exit(127);  // it died before we asked to be told
  }
  if (!prepared.directory.empty() && ::chdir(prepared.directory.c_str()) != 0) fail();
  if (::dup2(prepared.input.get(), 0) < 0 || ::dup2(prepared.output.get(), 1) < 0 ||
      ::dup2(prepared.error.get(), 2) < 0) {
    fail();
  }
  // Descriptors that some library opened without O_CLOEXEC; a kernel that does not know the flag
  // leaves them open.
  ::syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
  std::signal(SIGPIPE, SIG_DFL);  // an ignored signal would stay ignored through exec
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(prepared.program.c_str(), prepared.argv.data(), prepared.envp.data());
  fail();
  ::_exit(127);
}

// True when the pipe reached its end.
bool drain(const Descriptor& pipe, const std::function<void(std::string_view)>& sink) {
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t n = ::read(pipe.get(), buffer.data(), buffer.size());
    if (n > 0) {
      sink(std::string_view(buffer.data(), static_cast<std::size_t>(n)));
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
      return true;
    } else if (errno == EAGAIN) {
      return false;
    }
  }
}

// True when nothing is left to write (or the child does not read any more).
bool feed(const Descriptor& pipe, std::string_view& input) {
  const ssize_t n = ::write(pipe.get(), input.data(), input.size());
  if (n > 0) input.remove_prefix(static_cast<std::size_t>(n));
  return input.empty() || (n < 0 && errno != EAGAIN && errno != EINTR);
}

void set_nonblocking(const Descriptor& pipe) {
  if (pipe.open()) ::fcntl(pipe.get(), F_SETFL, ::fcntl(pipe.get(), F_GETFL) | O_NONBLOCK);
}

// A write to a child that does not read raises SIGPIPE in the writing thread; as an error code it
// is enough.
void block_sigpipe() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

tl::expected<pid_t, int> launch(const ProcessOptions& options, const Sinks& sinks, Pipes& pipes) {
  block_sigpipe();
  Prepared prepared;
  prepared.program = find_program(options.argv.front());
  if (prepared.program.empty()) return tl::unexpected(ENOENT);
  for (const std::string& argument : options.argv) {
    prepared.argv.push_back(
        const_cast<char*>(argument.c_str()));  // execve's signature, not its habit
  }
  prepared.argv.push_back(nullptr);
  prepare_environment(options, prepared);
  prepared.directory = options.working_directory.string();
  prepared.parent = ::getpid();
  prepared.own_group = options.own_process_group;
  prepared.die_with_parent = options.die_with_parent;
  Descriptor report;
  if (!prepare_streams(options, sinks, pipes, prepared) || !make_pipe(report, prepared.report)) {
    return tl::unexpected(errno);
  }
  const pid_t pid = ::fork();
  if (pid < 0) return tl::unexpected(errno);
  if (pid == 0) become(prepared);
  prepared.report.reset();
  int error = 0;
  ssize_t n = 0;
  while ((n = ::read(report.get(), &error, sizeof error)) < 0 && errno == EINTR) {
  }
  if (n == 0) return pid;
  reap(pid);
  return tl::unexpected(error);
}

void pump_until_exit(pid_t pid, bool own_group, std::string_view input, const Sinks& sinks,
                     Pipes& pipes) {
  const Descriptor exit_event(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  set_nonblocking(pipes.input);
  set_nonblocking(pipes.output);
  set_nonblocking(pipes.error);
  bool exited = false;
  while (!exited && (exit_event.open() || pipes.output.open() || pipes.error.open())) {
    std::array<pollfd, 4> watched{{{exit_event.get(), POLLIN, 0},
                                   {pipes.input.get(), POLLOUT, 0},
                                   {pipes.output.get(), POLLIN, 0},
                                   {pipes.error.get(), POLLIN, 0}}};
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) break;
    exited =
        watched[0].revents != 0;  // read before the pipes are drained: what it wrote is in them
    if (exited && own_group)
      ::kill(-pid, SIGKILL);  // not reaped yet, so the number is still its own
    if (watched[1].revents != 0 && feed(pipes.input, input)) pipes.input.reset();
    if ((watched[2].revents != 0 || exited) && pipes.output.open() &&
        drain(pipes.output, sinks.output)) {
      pipes.output.reset();
    }
    if ((watched[3].revents != 0 || exited) && pipes.error.open() &&
        drain(pipes.error, sinks.error)) {
      pipes.error.reset();
    }
  }
  if (sinks.finished) sinks.finished();
  siginfo_t info{};  // already true unless the kernel has no pidfd (before Linux 5.3)
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
}

ExitStatus reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) return {128 + WTERMSIG(status), WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

}  // namespace tunesmith::child
