// The engine's side of the conversation: one JSON object per line of its standard output
// (gpu/README.md has the table).
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "runtime/result.h"

namespace tunesmith::gpu_worker {

struct EngineStarted {
  std::uint64_t total_steps = 0;
  std::uint64_t resumed_step = 0;
};
struct EngineProgress {
  std::uint64_t step = 0;
  std::uint64_t total_steps = 0;
  double epoch = 0;
  double loss = 0;
  double learning_rate = 0;
  double tokens_per_second = 0;
  double eta_seconds = 0;
};
struct EngineEval {
  std::uint64_t step = 0;
  double loss = 0;
};
struct EngineAlive {
  std::uint64_t step = 0;
  std::string phase;
};
struct EngineCheckpoint {
  std::uint64_t step = 0;
  std::string path;
};
struct EngineFinished {
  std::uint64_t steps = 0;
  double train_loss = 0;
  double eval_loss_before = 0;
  double eval_loss_after = 0;
  std::string adapter_dir;
  double seconds = 0;
  std::uint64_t tokens = 0;
  std::uint64_t peak_memory_bytes = 0;
};
struct EngineInterrupted {
  std::uint64_t step = 0;
};
struct EngineFailed {
  Failure failure;
};

using EngineLine = std::variant<EngineStarted, EngineProgress, EngineEval, EngineAlive,
                                EngineCheckpoint, EngineFinished, EngineInterrupted, EngineFailed>;

// Permanent `EngineProtocol` when the line is no JSON object of the table; a missing number counts
// as 0, a null (no evaluation split) too.
Result<EngineLine> parse_engine_line(const std::string& line);

}  // namespace tunesmith::gpu_worker
