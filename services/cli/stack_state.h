// stack.json: what runs where. Written by `up` (what is to run) and then only by the supervisor.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::cli {

struct ChildState {
  std::string name{};
  std::vector<std::string> argv{};
  std::string log{};        // file
  std::string port_file{};  // of services: where the port of the admin server will stand
  std::string address{};    // "host:port" of what it serves
  pid_t pid = 0;
  std::uint64_t start_time = 0;
  std::string state = "stopped";  // stopped, starting, ready, restarting
  int restarts = 0;
  std::string last_exit{};     // why it ended last, e.g. "was killed by signal 9 (Killed)"
  std::string last_exit_at{};  // RFC 3339
};

struct StackState {
  std::string state = "stopped";  // starting, running, stopping, stopped, failed
  pid_t supervisor_pid = 0;
  std::uint64_t supervisor_start_time = 0;
  std::string started_at{};
  std::uint16_t nats_port = 0;
  std::uint16_t registry_port = 0;
  std::string registry_name{};
  std::string registry_user{};
  std::vector<ChildState> children{};
};

std::string to_json(const StackState& state);
// Permanent `StackStateInvalid`.
Result<StackState> stack_state_from_json(const std::string& text);

// Which files a stack has.
struct StackPaths {
  std::filesystem::path dir;

  std::filesystem::path state() const { return dir / "stack.json"; }
  std::filesystem::path lock() const { return dir / "stack.lock"; }
  std::filesystem::path config(const std::string& name) const { return dir / "config" / name; }
  std::filesystem::path log(const std::string& name) const {
    return dir / "logs" / (name + ".log");
  }
  std::filesystem::path secrets() const { return dir / "secrets"; }
  std::filesystem::path auth(const std::string& name) const { return dir / "auth" / name; }
};

// nullopt when there is no stack.json.
Result<std::optional<StackState>> read_stack_state(const StackPaths& paths);
Result<void> write_stack_state(const StackPaths& paths, const StackState& state);

// What tells a process apart from a later one with the same pid: its start in clock ticks since
// boot (/proc/PID/stat); 0 = it does not run.
std::uint64_t process_start_time(pid_t pid);

}  // namespace tunesmith::cli
