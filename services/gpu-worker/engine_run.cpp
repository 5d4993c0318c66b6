#include "engine_run.h"

#include <fmt/format.h>

#include <csignal>
#include <fstream>
#include <mutex>
#include <optional>

#include "runtime/process.h"
#include "step_watch.h"

namespace tunesmith::gpu_worker {
namespace {

// What the lines told so far; written by the reader thread.
class Conversation {
 public:
  Conversation(const std::function<void(const EngineLine&)>& on_line, const Log& log,
               std::chrono::milliseconds silence_floor, int silent_steps)
      : on_line_(on_line), log_(log), watch_(silence_floor, silent_steps) {}

  void hear(const std::string& text) {
    auto line = parse_engine_line(text);
    if (!line) {
      log_.warning("engine line not understood", {{"detail", line.error().message}});
      return;
    }
    {
      const std::scoped_lock lock(mutex_);
      watch_.heard(std::chrono::steady_clock::now());
      last_heard_ = std::chrono::steady_clock::now();
      if (auto* finished = std::get_if<EngineFinished>(&*line)) finished_ = *finished;
      if (auto* failed = std::get_if<EngineFailed>(&*line)) failed_ = failed->failure;
    }
    on_line_(*line);
  }

  // Time until the engine counts as stuck if it says nothing more.
  std::chrono::milliseconds patience_left() const {
    const std::scoped_lock lock(mutex_);
    return std::chrono::duration_cast<std::chrono::milliseconds>(last_heard_ + watch_.patience() -
                                                                 std::chrono::steady_clock::now());
  }

  std::optional<EngineFinished> finished() const {
    const std::scoped_lock lock(mutex_);
    return finished_;
  }
  std::optional<Failure> failed() const {
    const std::scoped_lock lock(mutex_);
    return failed_;
  }

 private:
  const std::function<void(const EngineLine&)>& on_line_;
  const Log& log_;
  mutable std::mutex mutex_;
  StepWatch watch_;
  std::chrono::steady_clock::time_point last_heard_ = std::chrono::steady_clock::now();
  std::optional<EngineFinished> finished_;
  std::optional<Failure> failed_;
};

std::string last_line_of(const std::filesystem::path& log_file) {
  std::ifstream in(log_file);
  std::string line;
  std::string last;
  while (std::getline(in, line)) {
    if (!line.empty()) last = line;
  }
  return last.substr(0, 300);
}

Failure unexpected_end(const ExitStatus& status, const std::filesystem::path& log_file) {
  if (status.signal == SIGKILL) {
    return {
        FailureClass::kTransient, "EngineKilled",
        "the engine was killed from outside (signal 9); when the machine is short of memory, lower "
        "per_device_train_batch_size or max_seq_length"};
  }
  const std::string how = status.signal != 0 ? fmt::format("signal {}", status.signal)
                                             : fmt::format("exit code {}", status.code);
  return {FailureClass::kTransient, "EngineCrashed",
          fmt::format("the engine ended with {}; its last words: {}", how, last_line_of(log_file))};
}

// The end, or nullopt when the engine was silent for too long.
std::optional<ExitStatus> wait_while_it_talks(Process& process, const Conversation& conversation,
                                              std::stop_token stop) {
  while (!stop.stop_requested()) {
    const auto left = conversation.patience_left();
    if (left.count() <= 0) return std::nullopt;
    if (auto status = process.wait(stop, left)) return status;
  }
  return std::nullopt;
}

}  // namespace

EngineEnd run_engine(const EngineCommand& command,
                     const std::function<void(const EngineLine&)>& on_line, const Log& log,
                     std::stop_token stop) {
  Conversation conversation(on_line, log, command.silence_floor, command.silent_steps);
  ProcessOptions options;
  options.argv = {command.executable.string(), "train", command.job_file.string()};
  options.environment = command.environment;
  options.bare_environment = true;
  options.log_file = command.log_file;
  auto process = Process::start(
      std::move(options), [&conversation](const std::string& line) { conversation.hear(line); });
  if (!process) return process.error();

  auto status = wait_while_it_talks(*process, conversation, stop);
  if (!status) {
    const bool stuck = !stop.stop_requested();
    process->terminate(command.stop_grace);
    if (!stuck) return EngineStopped{};
    return Failure{FailureClass::kTransient, "EngineStuck",
                   "rank 0 said nothing for longer than 20 of its steps take; it was ended"};
  }
  if (status->code == 0 && conversation.finished()) return *conversation.finished();
  if (auto failed = conversation.failed()) return *failed;
  return unexpected_end(*status, command.log_file);
}

}  // namespace tunesmith::gpu_worker
