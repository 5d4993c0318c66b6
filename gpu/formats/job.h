// The job file that the agent hands to `tunesmith-engine train` (table in gpu/README.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "failure.h"

namespace tunesmith::engine {

// Everything that decides what the adapter's numbers are; the fields of
// tunesmith.events.v1.HyperParameters, same names and meanings. In a job file every one must be
// given: defaults belong to the Workspace, not to the engine.
struct HyperParameters {
  std::uint32_t lora_rank = 8;
  double lora_alpha = 8;
  double lora_dropout = 0;
  bool use_rslora = false;
  std::vector<std::string> target_modules;  // empty = all linear layers but the head
  bool double_quantization = true;
  double num_train_epochs = 1;
  std::uint64_t max_steps = 0;  // 0 = by epochs
  std::uint32_t per_device_train_batch_size = 1;
  std::uint32_t gradient_accumulation_steps = 1;
  double learning_rate = 2e-4;
  std::string lr_scheduler_type = "linear";  // linear, cosine, constant, constant_with_warmup
  std::uint64_t warmup_steps = 0;            // wins over warmup_ratio when > 0
  double warmup_ratio = 0;
  double weight_decay = 0;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_epsilon = 1e-8;
  double max_grad_norm = 1;  // 0 = never clip
  std::uint64_t seed = 42;
  bool gradient_checkpointing = false;
  std::uint64_t logging_steps = 1;
  std::uint64_t eval_steps = 0;  // 0 = only before and after training
  std::uint32_t per_device_eval_batch_size = 1;
  bool shuffle_dataset = true;
  double train_test_split = 1;  // share used for training
  std::uint32_t max_seq_length = 512;
  bool packing = false;
  bool assistant_only_loss = true;
};

enum class Method { kLora, kQlora };
enum class Device { kCpu };
// In which precision the forward and backward pass multiply. kAuto: bf16 where the CPU
// is built for it (AMX, or AMD's AVX-512 with bf16), else fp32.
enum class Compute { kAuto, kFp32, kBf16 };

struct Job {
  std::filesystem::path model_dir;
  std::string model_name;
  std::vector<std::filesystem::path> data;
  std::filesystem::path work_dir;
  std::filesystem::path resume_from;  // empty = from the start
  std::filesystem::path
      initial_adapter;  // PEFT folder to start from; empty = kaiming A, zero B from the seed
  double checkpoint_interval_seconds = 0;
  Method method = Method::kLora;
  Device device = Device::kCpu;
  Compute compute = Compute::kAuto;
  int threads = 0;  // 0 = all cores
  HyperParameters hyper_parameters;
};

// Failures (permanent): JobInvalid, naming the key, what was expected and what was found; an
// unknown key is refused with the nearest known one. `initial_adapter`, `compute` and `resume_from`
// may be left out; every other key must be there.
Result<Job> read_job(const std::filesystem::path& path);

}  // namespace tunesmith::engine
