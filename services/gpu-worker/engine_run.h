// One engine process from start to end: what it said, and how it ended.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <variant>

#include "engine_line.h"
#include "runtime/log.h"
#include "runtime/result.h"

namespace tunesmith::gpu_worker {

struct EngineCommand {
  std::filesystem::path executable;
  std::filesystem::path job_file;
  std::filesystem::path log_file;                  // the engine's standard error
  std::map<std::string, std::string> environment;  // torchrun's variables of this rank
  std::chrono::milliseconds silence_floor{std::chrono::minutes(5)};
  int silent_steps = 20;
  std::chrono::milliseconds stop_grace{3'000};  // to write a checkpoint after SIGTERM
};

struct EngineStopped {};  // by our stop; a checkpoint may have been written
// How a run ended. Failure: what the engine said, or Transient `EngineCrashed`, `EngineKilled`
// (SIGKILL: often memory), `EngineStuck`.
using EngineEnd = std::variant<EngineFinished, EngineStopped, Failure>;

// Blocks until the process is gone. on_line hears every understood line (on another thread, one at
// a time; none after the return).
EngineEnd run_engine(const EngineCommand& command,
                     const std::function<void(const EngineLine&)>& on_line, const Log& log,
                     std::stop_token stop);

}  // namespace tunesmith::gpu_worker
