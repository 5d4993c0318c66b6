#include "runtime/process.h"

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>
#include <thread>

#include "runtime/child.h"

namespace tunesmith {
namespace {

// Cuts a stream of bytes into lines.
class LineSplitter {
 public:
  explicit LineSplitter(std::function<void(const std::string&)> on_line)
      : on_line_(std::move(on_line)) {}
  void add(std::string_view bytes) {
    for (std::size_t end = 0; (end = bytes.find('\n')) != std::string_view::npos;
         bytes.remove_prefix(end + 1)) {
      line_.append(bytes.substr(0, end));
      on_line_(line_);
      line_.clear();
    }
    line_.append(bytes);
  }
  void finish() {
    if (!line_.empty()) on_line_(line_);
    line_.clear();
  }

 private:
  std::function<void(const std::string&)> on_line_;
  std::string line_;
};

}  // namespace

// The thread forks the child, because PR_SET_PDEATHSIG watches the forking thread and not the
// process: it lives as long as the child does.
struct Process::State {
  std::mutex mutex;
  std::condition_variable_any changed;
  bool started = false;
  int start_error = 0;
  pid_t pid = -1;
  bool own_group = true;
  bool reaped = false;
  std::optional<ExitStatus> status;  // set when all its output was delivered
  std::thread thread;

  ~State() {
    send(SIGKILL);
    if (thread.joinable()) thread.join();
  }

  // A reaped pid may be another process by now, so it is never signalled.
  void send(int number) {
    const std::lock_guard lock(mutex);
    if (pid > 0 && !reaped) ::kill(own_group ? -pid : pid, number);
  }

  void run(const ProcessOptions& options, const child::Sinks& sinks) {
    child::Pipes pipes;
    const auto launched = child::launch(options, sinks, pipes);
    {
      const std::lock_guard lock(mutex);
      started = true;
      if (launched) {
        pid = *launched;
      } else {
        start_error = launched.error();
      }
    }
    changed.notify_all();
    if (!launched) return;
    child::pump_until_exit(*launched, own_group, options.input, sinks, pipes);
    const std::lock_guard lock(mutex);
    status = child::reap(*launched);
    reaped = true;
    changed.notify_all();
  }
};

namespace {

std::string cannot_start(const std::string& program, int error) {
  std::string message = "cannot start " + program + ": ";
  message += std::strerror(error);  // NOLINT(concurrency-mt-unsafe): glibc's is
  if (error == ENOENT) message += "; is it installed, and its folder in PATH?";
  return message;
}

}  // namespace

Process::Process(std::unique_ptr<State> state) : state_(std::move(state)) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

Result<Process> Process::start_with(ProcessOptions options, child::Sinks sinks) {
  if (options.argv.empty()) return permanent("ProcessFailed", "no program to start was given");
  auto state = std::make_unique<State>();
  state->own_group = options.own_process_group;
  const std::string program = options.argv.front();
  state->thread = std::thread([raw = state.get(), options = std::move(options),
                               sinks = std::move(sinks)] { raw->run(options, sinks); });
  std::unique_lock lock(state->mutex);
  state->changed.wait(lock, [&] { return state->started; });
  const int error = state->start_error;
  lock.unlock();
  if (error != 0) return permanent("ProcessFailed", cannot_start(program, error));
  return Process(std::move(state));
}

Result<Process> Process::start(ProcessOptions options,
                               std::function<void(const std::string& line)> on_line) {
  child::Sinks sinks;
  if (on_line) {
    auto splitter = std::make_shared<LineSplitter>(std::move(on_line));
    sinks.output = [splitter](std::string_view bytes) { splitter->add(bytes); };
    sinks.finished = [splitter] { splitter->finish(); };
  }
  return start_with(std::move(options), std::move(sinks));
}

pid_t Process::pid() const { return state_->pid; }

void Process::signal(int number) const { state_->send(number); }

std::optional<ExitStatus> Process::wait(std::stop_token stop,
                                        std::optional<std::chrono::milliseconds> limit) {
  std::unique_lock lock(state_->mutex);
  const auto ended = [&] { return state_->status.has_value(); };
  if (limit) {
    state_->changed.wait_for(lock, stop, *limit, ended);
  } else {
    state_->changed.wait(lock, stop, ended);
  }
  return state_->status;
}

ExitStatus Process::terminate(std::chrono::milliseconds grace) {
  signal(SIGTERM);
  if (const auto status = wait({}, grace)) return *status;
  signal(SIGKILL);
  return *wait({}, std::nullopt);
}

Result<CompletedProcess> run_process(ProcessOptions options, std::chrono::milliseconds limit,
                                     std::stop_token stop, std::size_t max_output_bytes) {
  constexpr std::size_t kErrorTail = 8192;
  CompletedProcess completed;
  const std::string program = options.argv.empty() ? "" : options.argv.front();
  child::Sinks sinks;
  sinks.output = [&](std::string_view bytes) {
    completed.output.append(bytes.substr(0, max_output_bytes - completed.output.size()));
  };
  if (!options.log_file) {
    sinks.error = [&](std::string_view bytes) {
      completed.error_output.append(bytes);
      if (completed.error_output.size() > kErrorTail) {
        completed.error_output.erase(0, completed.error_output.size() - kErrorTail);
      }
    };
  }
  auto process = Process::start_with(std::move(options), std::move(sinks));
  if (!process) return tl::unexpected(process.error());
  const auto status = process->wait(stop, limit);
  if (!status) {
    process->signal(SIGKILL);
    process->wait({}, std::nullopt);
    if (stop.stop_requested()) return transient("Stopped", program + " was stopped");
    return transient("TimedOut", program + " did not end within " + std::to_string(limit.count()) +
                                     " ms and was killed");
  }
  completed.status = *status;
  return completed;
}

}  // namespace tunesmith
