#include "cli/supervisor.h"

#include <unistd.h>

#include <algorithm>

#include "cli/readiness.h"
#include "cli/up_protocol.h"
#include "runtime/config.h"
#include "runtime/hardening.h"
#include "runtime/shutdown.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

constexpr int kMaxEarlyDeaths = 3;
constexpr std::chrono::seconds kStartLimit{50};
constexpr std::chrono::milliseconds kServiceGrace{6'000};
constexpr std::chrono::milliseconds kServerGrace{1'500};
constexpr std::size_t kServers = 2;  // nats-server and registry come first in the list

std::string now() { return rfc3339(std::chrono::system_clock::now()); }

bus::ConnectionOptions bus_options(const StackPaths& paths) {
  auto config = ConfigReader::open(paths.config("admin.yaml"),
                                   [](const std::string&) { return std::optional<std::string>(); });
  if (!config) return {};
  auto options = bus::ConnectionOptions::from_config(*config, "supervisor");
  options.connect_timeout = std::chrono::seconds(20);
  return options;
}

std::string port_in(const std::string& file) {
  const auto text = read_file(file, 64);
  return text ? text->substr(0, text->find('\n')) : "";
}

}  // namespace

Supervisor::Supervisor(StackPaths paths, StackState state, Log log)
    : paths_(std::move(paths)), log_(std::move(log)), state_(std::move(state)) {
  state_.supervisor_pid = ::getpid();
  state_.supervisor_start_time = process_start_time(::getpid());
  state_.started_at = now();
  for (std::size_t i = 0; i < state_.children.size(); ++i) entries_.push_back({i, nullptr});
  set_state("starting");
}

void Supervisor::keep(std::size_t index) {
  const ChildState& child = state_.children[index];
  KeptChild kept{child.name, child.argv, child.log, child.port_file, {}};
  if (index == 0) {
    kept.wait_until_ready = [options = bus_options(paths_), log = log_](std::stop_token stop) {
      return wait_for_bus(options, log, std::move(stop));
    };
  } else if (index < kServers) {
    kept.wait_until_ready = [url = "http://" + child.address + "/v2/"](std::stop_token stop) {
      return wait_for_http(url, 401, 200, std::move(stop));
    };
  } else {
    kept.wait_until_ready = [file = child.port_file](std::stop_token stop) {
      return wait_for_service(file, std::move(stop));
    };
  }
  entries_[index].keeper = std::make_unique<ChildKeeper>(
      std::move(kept), index < kServers ? kServerGrace : kServiceGrace, log_,
      [this, index](const ChildEvent& event) { on_event(index, event); });
}

Result<void> Supervisor::start(std::stop_token stop,
                               const std::function<void(const std::string&)>& on_ready) {
  deadline_ = std::chrono::steady_clock::now() + kStartLimit;
  const std::size_t all = entries_.size();
  for (std::size_t i = 0; i < std::min(kServers, all); ++i) keep(i);
  if (auto ready = wait_ready(0, std::min(kServers, all), stop, on_ready); !ready) return ready;
  for (std::size_t i = kServers; i < all; ++i) keep(i);
  if (auto ready = wait_ready(kServers, all, stop, on_ready); !ready) return ready;
  set_state("running");
  log_.info("all are ready");
  return {};
}

Result<void> Supervisor::wait_ready(std::size_t from, std::size_t to, std::stop_token stop,
                                    const std::function<void(const std::string&)>& on_ready) {
  std::vector<bool> told(to, false);
  std::unique_lock lock(mutex_);
  while (true) {
    std::size_t missing = 0;
    for (std::size_t i = from; i < to; ++i) {
      if (entries_[i].was_ready && !told[i]) {
        told[i] = true;
        on_ready(state_.children[i].name);
      }
      if (!entries_[i].was_ready && entries_[i].deaths_before_ready >= kMaxEarlyDeaths) {
        return tl::unexpected(failure_of(state_.children[i]));
      }
      missing += entries_[i].was_ready ? 0 : 1;
    }
    if (missing == 0) return {};
    if (stop.stop_requested()) return transient("Stopped", "the start was interrupted");
    if (std::chrono::steady_clock::now() >= deadline_) break;
    changed_.wait_until(lock, stop, deadline_, [&, seen = events_] { return events_ != seen; });
  }
  std::string message = "not ready in time:";
  for (std::size_t i = from; i < to; ++i) {
    const ChildState& child = state_.children[i];
    if (!entries_[i].was_ready)
      message += " " + child.name + " (" + child.state + ", see " + child.log + ")";
  }
  return transient("StartTimedOut", message);
}

Failure Supervisor::failure_of(const ChildState& child) const {
  std::string message = child.name + " cannot be started: it " + child.last_exit;
  // Its last words are the best explanation there is.
  if (const auto log = read_file(child.log, 64u << 20); log && !log->empty()) {
    const std::size_t end = log->find_last_not_of('\n');
    const std::size_t begin = end == std::string::npos ? 0 : log->rfind('\n', end) + 1;
    message += "; its log ends with: " + log->substr(begin, end + 1 - begin);
  }
  return {FailureClass::kPermanent, "ChildFailed", message + " (" + child.log + ")"};
}

void Supervisor::on_event(std::size_t index, const ChildEvent& event) {
  const std::lock_guard lock(mutex_);
  ChildState& child = state_.children[index];
  Entry& entry = entries_[index];
  switch (event.kind) {
    case ChildEvent::Kind::kStarted:
      child.pid = event.pid;
      child.start_time = process_start_time(event.pid);
      child.state = "starting";
      break;
    case ChildEvent::Kind::kReady:
      child.state = "ready";
      if (!child.port_file.empty()) child.address = "127.0.0.1:" + port_in(child.port_file);
      entry.was_ready = true;
      break;
    case ChildEvent::Kind::kEnded:
      child.pid = 0;
      child.start_time = 0;
      if (state_.state == "stopping") {
        child.state = "stopped";
        break;
      }
      child.state = "restarting";
      ++child.restarts;
      child.last_exit = event.why;
      child.last_exit_at = now();
      if (!entry.was_ready) ++entry.deaths_before_ready;
      break;
  }
  ++events_;
  save();
  changed_.notify_all();
}

void Supervisor::stop() {
  set_state("stopping");
  log_.info("stopping");
  for (std::size_t i = kServers; i < entries_.size(); ++i) {
    if (entries_[i].keeper) entries_[i].keeper->request_stop();
  }
  for (std::size_t i = entries_.size(); i-- > 0;) entries_[i].keeper.reset();
  set_state("stopped");
  log_.info("stopped");
}

void Supervisor::set_state(const std::string& state) {
  const std::lock_guard lock(mutex_);
  state_.state = state;
  if (state == "stopped") {
    state_.supervisor_pid = 0;
    state_.supervisor_start_time = 0;
  }
  save();
}

void Supervisor::save() {
  if (const auto written = write_stack_state(paths_, state_); !written) {
    log_.error(written.error().message, {{"reason", written.error().reason}});
  }
}

int supervise(const std::filesystem::path& dir, int ready_fd) {
  harden_process(core_dumps_allowed());
  Shutdown shutdown;
  const StackPaths paths{dir};
  const Log log = Log::to_stderr("supervisor", LogLevel::kInfo);
  UpReporter up(ready_fd);
  const auto state = read_stack_state(paths);
  if (!state || !*state) {
    up.failed(state ? "there is no " + paths.state().string() : state.error().message);
    return 1;
  }
  Supervisor supervisor(paths, **state, log);
  const auto started =
      supervisor.start(shutdown.token(), [&](const std::string& name) { up.ready(name); });
  if (started) {
    up.done();
    shutdown.wait();
  } else {
    log.error(started.error().message, {{"reason", started.error().reason}});
  }
  supervisor.stop();
  if (!started) up.failed(started.error().message);
  return started ? 0 : 1;
}

}  // namespace tunesmith::cli
