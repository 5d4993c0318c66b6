#include "cli/stack_commands.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ostream>
#include <thread>

#include "cli/stack_files.h"
#include "cli/stack_state.h"
#include "cli/table.h"
#include "cli/up_protocol.h"
#include "runtime/hardening.h"

namespace tunesmith::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kUpLimit{60};
constexpr std::chrono::seconds kDownLimit{15};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

// Held by the supervisor for its whole life: whoever gets it knows that no stack runs in the
// folder.
bool try_lock(const Descriptor& lock) { return ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0; }

Result<void> make_folder(const fs::path& dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (!error) return {};
  return permanent("FileUnwritable",
                   "cannot make the folder " + dir.string() + ": " + error.message());
}

void print_stack(const StackPaths& paths, std::ostream& out) {
  const auto state = read_stack_state(paths);
  if (!state || !*state) return;
  Table table{{"NAME", "PID", "STATE", "RESTARTS", "ADDRESS", "LOG", "LAST EXIT"}, {}};
  for (const ChildState& child : (*state)->children) {
    table.rows.push_back({child.name, std::to_string(child.pid), child.state,
                          std::to_string(child.restarts), child.address, child.log,
                          child.last_exit});
  }
  out << to_text(table);
  out << "Registry: " << (*state)->registry_name
      << " in manifests, 127.0.0.1:" << (*state)->registry_port << " on this machine (push secret "
      << kRegistrySecret << ", login in "
      << (paths.secrets() / "default" / kRegistrySecret).string() << ")\n";
}

// Runs this executable as the supervisor in a session of its own. It inherits the lock and the
// pipe's end, nothing else.
Result<pid_t> spawn_supervisor(const StackPaths& paths, int lock, int ready) {
  const std::string log = paths.log("supervisor");
  const std::string program = fs::read_symlink("/proc/self/exe").string();
  const std::string dir = paths.dir.string(), ready_text = std::to_string(ready);
  std::array<const char*, 7> argv{program.c_str(), "supervise",        "--dir", dir.c_str(),
                                  "--ready-fd",    ready_text.c_str(), nullptr};
  ::fcntl(lock, F_SETFD, 0);
  ::fcntl(ready, F_SETFD, 0);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program.c_str(), &files, &attributes,
                                  const_cast<char* const*>(argv.data()), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error == 0) return pid;
  return permanent("ProcessFailed",
                   "cannot start the supervisor: " + std::string(std::strerror(error)));  // NOLINT
}

Result<void> start_stack(const StackOptions& options, const StackPaths& paths, Descriptor& lock,
                         std::ostream& out) {
  const auto before = read_stack_state(paths);
  if (!before) return tl::unexpected(before.error());
  auto state = prepare_stack(options, *before);
  if (!state) return tl::unexpected(state.error());
  if (auto written = write_stack_state(paths, *state); !written) return written;
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return permanent("ProcessFailed", "cannot make a pipe");
  Descriptor ours(pipe[0]), theirs(pipe[1]);
  const auto supervisor = spawn_supervisor(paths, lock.get(), theirs.get());
  if (!supervisor) return tl::unexpected(supervisor.error());
  theirs.reset();
  auto started = follow_start(ours.get(), kUpLimit, [&](const std::string& name) {
    out << name << " is ready" << std::endl;
  });
  if (started) return {};
  ::kill(*supervisor, SIGTERM);  // not reaped yet, so the number is its own
  ::waitpid(*supervisor, nullptr, 0);
  Failure failure = started.error();
  failure.message += "; nothing is left running; logs are in " + (paths.dir / "logs").string();
  return tl::unexpected(failure);
}

// True when the process ended within the limit. A pid that is another process by now counts as
// ended.
bool ends_within(pid_t pid, std::uint64_t start_time, int signal, std::chrono::milliseconds limit) {
  const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (process.get() < 0 || process_start_time(pid) != start_time) return true;
  ::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0);
  pollfd watched{process.get(), POLLIN, 0};
  return ::poll(&watched, 1, static_cast<int>(limit.count())) == 1;
}

}  // namespace

Result<void> up(const StackOptions& options, std::ostream& out) {
  harden_process(core_dumps_allowed());
  const StackPaths paths{options.dir};
  if (auto made = make_folder(paths.dir); !made) return made;
  Descriptor lock(::open(paths.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.get() < 0) {
    return permanent("FileUnwritable", "cannot write in the folder " + paths.dir.string());
  }
  if (try_lock(lock)) {
    if (auto started = start_stack(options, paths, lock, out); !started) return started;
    out << "The stack in " << paths.dir.string() << " is up:\n";
  } else {
    out << "The stack in " << paths.dir.string() << " is already up; nothing was changed:\n";
  }
  print_stack(paths, out);
  return {};
}

Result<void> down(const fs::path& dir, std::ostream& out) {
  const StackPaths paths{dir};
  const Descriptor lock(::open(paths.lock().c_str(), O_RDWR | O_CLOEXEC));
  if (lock.get() < 0 || try_lock(lock)) {
    out << "No stack is running in " << dir.string() << "\n";
    return {};
  }
  const auto state = read_stack_state(paths);
  if (!state) return tl::unexpected(state.error());
  if (!*state || (*state)->supervisor_pid == 0) {
    return transient("StackStarting", "the stack in " + dir.string() +
                                          " is just being started or stopped; try again");
  }
  const pid_t pid = (*state)->supervisor_pid;
  const std::uint64_t start_time = (*state)->supervisor_start_time;
  if (!ends_within(pid, start_time, SIGTERM, kDownLimit)) {
    out << "The supervisor (pid " << pid
        << ") did not end in time and is killed with its children\n";
    ends_within(pid, start_time, SIGKILL, kDownLimit);
  }
  out << "Stopped the stack in " << dir.string() << "\n";
  return {};
}

}  // namespace tunesmith::cli
