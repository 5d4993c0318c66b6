// Child processes: start, read their lines, stop them by pid, never leave one behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "runtime/result.h"

namespace tunesmith {

namespace child {
struct Sinks;
}
struct CompletedProcess;

struct ProcessOptions {
  std::vector<std::string> argv{};  // argv[0] is looked up in PATH when it has no '/'
  std::map<std::string, std::string> environment{};  // added to this process's environment
  // Only what a program needs to run (PATH, HOME, locale, TMPDIR, libraries, devices, threads): for
  // children that read what strangers wrote, and have no business with what else stands there.
  bool bare_environment = false;
  std::filesystem::path working_directory{};  // empty = this process's
  std::string input{};  // written to its standard input, then closed; empty = /dev/null
  std::optional<std::filesystem::path>
      log_file{};  // standard error (and standard output, unless lines are read) appended there
  bool own_process_group = true;  // so that its children end with it
  bool die_with_parent = true;    // PR_SET_PDEATHSIG(SIGKILL)
};

struct ExitStatus {
  int code = 0;    // exit code, or 128 + signal
  int signal = 0;  // 0 when it exited by itself
};

// A running child. Destroying it kills the whole process group and reaps it. Movable; one thread at
// a time, but for signal().
class Process {
 public:
  // on_line (optional) gets each line of standard output without its end, on a thread that Process
  // owns and joins.
  static Result<Process> start(ProcessOptions options,
                               std::function<void(const std::string& line)> on_line = nullptr);
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  pid_t pid() const;
  void signal(int number) const;  // to the process group
  // Waits until it ended, `stop` was asked for (nullopt) or `limit` is over (nullopt). All lines
  // were delivered when it returns a status.
  std::optional<ExitStatus> wait(std::stop_token stop,
                                 std::optional<std::chrono::milliseconds> limit);
  // SIGTERM, then SIGKILL after `grace`; returns when it is gone.
  ExitStatus terminate(std::chrono::milliseconds grace);

 private:
  struct State;
  explicit Process(std::unique_ptr<State> state);
  static Result<Process> start_with(ProcessOptions options, child::Sinks sinks);
  friend Result<CompletedProcess> run_process(ProcessOptions options,
                                              std::chrono::milliseconds limit, std::stop_token stop,
                                              std::size_t max_output_bytes);
  std::unique_ptr<State> state_;
};

struct CompletedProcess {
  ExitStatus status;
  std::string output;        // standard output, at most max_output_bytes
  std::string error_output;  // the last 8 KiB of standard error
};

// Runs to the end; killed at `limit` (Transient `TimedOut`) or at a stop (Transient `Stopped`).
Result<CompletedProcess> run_process(ProcessOptions options, std::chrono::milliseconds limit,
                                     std::stop_token stop, std::size_t max_output_bytes = 4u << 20);

}  // namespace tunesmith
