#include "cli/child_keeper.h"

#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "runtime/process.h"

namespace tunesmith::cli {
namespace {

constexpr BackoffPolicy kRestarts{.first = std::chrono::milliseconds(500),
                                  .most = std::chrono::milliseconds(30'000)};
constexpr std::chrono::minutes kLongLife{1};

std::string describe(const ExitStatus& status) {
  if (status.signal == 0) return "exited with code " + std::to_string(status.code);
  return "was killed by signal " + std::to_string(status.signal) + " (" +
         ::strsignal(status.signal) + ")";  // NOLINT(concurrency-mt-unsafe): glibc's is
}

}  // namespace

ChildKeeper::ChildKeeper(KeptChild child, std::chrono::milliseconds grace, const Log& log,
                         std::function<void(const ChildEvent&)> on_event)
    : child_(std::move(child)),
      grace_(grace),
      log_(log.with({{"child", child_.name}})),
      on_event_(std::move(on_event)),
      backoff_(kRestarts, static_cast<std::uint64_t>(::getpid())),
      thread_([this](std::stop_token stop) { run(std::move(stop)); }) {}

void ChildKeeper::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const auto begin = std::chrono::steady_clock::now();
    live_once(stop);
    if (stop.stop_requested()) return;
    if (std::chrono::steady_clock::now() - begin > kLongLife) backoff_.reset();
    const auto pause = backoff_.next();
    log_.info("starting it again", {{"after_ms", static_cast<long long>(pause.count())}});
    wait_for(pause, stop);
  }
}

void ChildKeeper::live_once(std::stop_token stop) {
  if (!child_.port_file.empty()) {
    std::error_code ignored;
    std::filesystem::remove(child_.port_file, ignored);
  }
  auto process = Process::start({.argv = child_.argv, .log_file = child_.log});
  if (!process) {
    log_.error(process.error().message);
    on_event_({ChildEvent::Kind::kEnded, 0, process.error().message});
    return;
  }
  log_.info("started", {{"pid", process->pid()}});
  on_event_({ChildEvent::Kind::kStarted, process->pid()});
  std::optional<ExitStatus> status;
  {
    std::jthread probe([&](std::stop_token ended) {
      if (child_.wait_until_ready(ended) && !ended.stop_requested()) {
        log_.info("ready");
        on_event_({ChildEvent::Kind::kReady, process->pid()});
      }
    });
    status = process->wait(stop, std::nullopt);
  }  // joins the probe: kReady never comes after kEnded
  if (!status) status = process->terminate(grace_);
  const std::string why = describe(*status);
  if (stop.stop_requested()) {
    log_.info("stopped: " + why);
  } else {
    log_.warning("died: " + why, {{"pid", process->pid()}});
  }
  on_event_({ChildEvent::Kind::kEnded, process->pid(), why});
}

}  // namespace tunesmith::cli
