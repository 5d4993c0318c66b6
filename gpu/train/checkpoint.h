// Recovery checkpoints: one safetensors file `checkpoint-<step>.safetensors` with all that decides
// the rest of the run. The order of the data, the schedule and the dropout follow from the step.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "failure.h"

namespace tunesmith::engine {

struct TrainState {
  std::uint64_t step = 0;  // optimizer steps done
  std::vector<float> parameters;
  std::vector<float> first_moment;
  std::vector<float> second_moment;
  std::uint64_t tokens = 0;                // seen so far
  double loss_sum = 0;                     // of all steps
  double window_loss_sum = 0;              // of the steps since the last report
  std::uint64_t window_steps = 0;          //
  std::uint64_t window_tokens = 0;         //
  std::uint64_t high_loss_steps = 0;       // in a row, see the trainer
  std::optional<double> eval_loss_before;  // empty when there is no evaluation split
  std::string compute;                     // "fp32" or "bf16"
  std::string fingerprint;                 // of job, model and data; compared, never parsed
};

struct CheckpointFile {
  std::uint64_t step = 0;
  std::filesystem::path path;
  std::uint64_t size_bytes = 0;
  double seconds = 0;
};

// Atomic; then removes all but the newest `kKeptCheckpoints` checkpoints of the folder, which is
// made if need be. Failure (transient): DiskFull.
inline constexpr std::size_t kKeptCheckpoints = 2;
Result<CheckpointFile> write_checkpoint(const std::filesystem::path& dir, const TrainState& state);

// Failures (permanent): CheckpointMissing, CheckpointInvalid.
Result<TrainState> read_checkpoint(const std::filesystem::path& path);

// Writes checkpoints beside the training, one at a time. Owns its thread and joins it.
class CheckpointWriter {
 public:
  explicit CheckpointWriter(std::filesystem::path dir) : dir_(std::move(dir)) {}
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  bool busy() const { return thread_.joinable(); }
  // Not while busy.
  void start(TrainState state);
  // The result of the write under way, waiting for it; nothing when none is.
  std::optional<Result<CheckpointFile>> finish();
  // Likewise, but nothing when it is not done yet.
  std::optional<Result<CheckpointFile>> poll();

 private:
  std::filesystem::path dir_;
  std::thread thread_;
  std::atomic<bool> done_ = false;
  std::optional<Result<CheckpointFile>> result_;  // the thread's until done_
};

}  // namespace tunesmith::engine
