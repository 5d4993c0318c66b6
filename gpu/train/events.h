// What the engine tells its agent, one JSON object per line (table in gpu/README.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "failure.h"
#include "train/checkpoint.h"

namespace tunesmith::engine {

struct Started {
  std::uint64_t total_steps = 0;
  std::uint64_t train_examples = 0;
  std::uint64_t eval_examples = 0;
  std::uint64_t dropped_examples = 0;
  std::uint64_t train_tokens = 0;   // of the training split
  std::uint64_t target_tokens = 0;  // likewise
  std::uint64_t trainable_parameters = 0;
  std::uint64_t resumed_step = 0;
  std::string compute;
};

struct Progress {
  std::uint64_t step = 0;
  std::uint64_t total_steps = 0;
  double epoch = 0;
  double loss = 0;           // mean of the steps since the last report
  double learning_rate = 0;  // of the last step
  double grad_norm = 0;      // of the last step, before clipping
  double tokens_per_second = 0;
  double eta_seconds = 0;
  std::uint64_t peak_memory_bytes = 0;
};

struct Evaluated {
  std::uint64_t step = 0;
  double loss = 0;
};

// Nothing else was to be said for a while: the engine works, it is not stuck.
struct Alive {
  std::uint64_t step = 0;
  std::string phase;  // "Training" or "Evaluating"
};

struct Finished {
  std::uint64_t steps = 0;
  double train_loss = 0;  // mean of all steps
  std::optional<double> eval_loss_before;
  std::optional<double> eval_loss_after;
  std::filesystem::path adapter_dir;
  double seconds = 0;  // of this process
  std::uint64_t tokens = 0;
  std::uint64_t peak_memory_bytes = 0;
};

struct Interrupted {
  std::uint64_t step = 0;
};

using Event = std::variant<Started, Progress, Evaluated, Alive, CheckpointFile, Finished,
                           Interrupted, Failure>;
using EventSink = std::function<void(const Event&)>;

// Without the line's end.
std::string to_json_line(const Event& event);

}  // namespace tunesmith::engine
