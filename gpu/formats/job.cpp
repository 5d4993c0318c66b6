#include "formats/job.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "formats/files.h"
#include "formats/json_fields.h"

namespace tunesmith::engine {
namespace {

constexpr std::uint32_t kMostRank = 4096;
constexpr std::uint32_t kMostBatch = 65536;
constexpr std::uint32_t kMostTokens = 1U << 20;
constexpr double kMost = 1e9;
constexpr std::int64_t kMostThreads = 4096;

constexpr const char* kReason = "JobInvalid";

HyperParameters read_hyper_parameters(FieldReader& in) {
  HyperParameters out;
  in.unsigned32("lora_rank", out.lora_rank, 1, kMostRank);
  in.number("lora_alpha", out.lora_alpha, {.low = 0, .high = kMost, .low_included = false});
  in.number("lora_dropout", out.lora_dropout, {.low = 0, .high = 1, .high_included = false});
  in.boolean("use_rslora", out.use_rslora);
  in.text_list("target_modules", out.target_modules);
  in.boolean("double_quantization", out.double_quantization);
  in.number("num_train_epochs", out.num_train_epochs, {.low = 0, .high = kMost});
  in.unsigned64("max_steps", out.max_steps);
  in.unsigned32("per_device_train_batch_size", out.per_device_train_batch_size, 1, kMostBatch);
  in.unsigned32("gradient_accumulation_steps", out.gradient_accumulation_steps, 1, kMostBatch);
  in.number("learning_rate", out.learning_rate, {.low = 0, .high = kMost});
  static const std::vector<std::string> kSchedules = {"linear", "cosine", "constant",
                                                      "constant_with_warmup"};
  std::size_t schedule = 0;
  in.choice("lr_scheduler_type", schedule, kSchedules);
  out.lr_scheduler_type = kSchedules[schedule];
  in.unsigned64("warmup_steps", out.warmup_steps);
  in.number("warmup_ratio", out.warmup_ratio, {.low = 0, .high = 1});
  in.number("weight_decay", out.weight_decay, {.low = 0, .high = kMost});
  in.number("adam_beta1", out.adam_beta1, {.low = 0, .high = 1, .high_included = false});
  in.number("adam_beta2", out.adam_beta2, {.low = 0, .high = 1, .high_included = false});
  in.number("adam_epsilon", out.adam_epsilon, {.low = 0, .high = kMost});
  in.number("max_grad_norm", out.max_grad_norm, {.low = 0, .high = kMost});
  in.unsigned64("seed", out.seed);
  in.boolean("gradient_checkpointing", out.gradient_checkpointing);
  in.unsigned64("logging_steps", out.logging_steps);
  in.unsigned64("eval_steps", out.eval_steps);
  in.unsigned32("per_device_eval_batch_size", out.per_device_eval_batch_size, 1, kMostBatch);
  in.boolean("shuffle_dataset", out.shuffle_dataset);
  in.number("train_test_split", out.train_test_split, {.low = 0, .high = 1, .low_included = false});
  in.unsigned32("max_seq_length", out.max_seq_length, 1, kMostTokens);
  in.boolean("packing", out.packing);
  in.boolean("assistant_only_loss", out.assistant_only_loss);
  in.refuse_unknown();
  return out;
}

std::filesystem::path read_path(FieldReader& in, const char* key, Presence presence) {
  std::string path;
  in.text(key, path, presence);
  if (path.empty() && presence == Presence::kRequired) {
    in.complain(fmt::format("'{}' must be a path, found an empty string", key));
  }
  return path;
}

void read_top_level(FieldReader& in, Job& job) {
  job.model_dir = read_path(in, "model_dir", Presence::kRequired);
  in.text("model_name", job.model_name);
  std::vector<std::string> data;
  in.text_list("data", data);
  if (data.empty()) in.complain("'data' must name at least one file");
  job.data.assign(data.begin(), data.end());
  job.work_dir = read_path(in, "work_dir", Presence::kRequired);
  job.resume_from = read_path(in, "resume_from", Presence::kOptional);
  job.initial_adapter = read_path(in, "initial_adapter", Presence::kOptional);
  in.number("checkpoint_interval_seconds", job.checkpoint_interval_seconds,
            {.low = 0, .high = kMost});

  std::size_t chosen = 0;
  in.choice("method", chosen, {"lora", "qlora"});
  job.method = std::array{Method::kLora, Method::kQlora}[chosen];
  std::size_t device = 0;
  in.choice("device", device, {"cpu"});
  std::size_t compute = 0;
  in.choice("compute", compute, {"auto", "fp32", "bf16"}, Presence::kOptional);
  job.compute = std::array{Compute::kAuto, Compute::kFp32, Compute::kBf16}[compute];
  std::int64_t threads = 0;
  in.integer("threads", threads, 0, kMostThreads);
  job.threads = static_cast<int>(threads);
}

}  // namespace

Result<Job> read_job(const std::filesystem::path& path) {
  const auto json = read_json_object(path, kReason, kReason);
  if (!json) return tl::unexpected(json.error());
  Job job;
  FieldReader top(*json);
  read_top_level(top, job);
  const nlohmann::json* nested = top.any("hyper_parameters", Presence::kRequired);
  top.refuse_unknown();
  if (nested != nullptr && !nested->is_object())
    top.complain("'hyper_parameters' must be an object");
  if (top.problem()) {
    return permanent(kReason, fmt::format("job file {}: {}", path.string(), *top.problem()));
  }
  FieldReader fields(*nested, "hyper_parameters.");
  job.hyper_parameters = read_hyper_parameters(fields);
  if (fields.problem()) {
    return permanent(kReason, fmt::format("job file {}: {}", path.string(), *fields.problem()));
  }
  return job;
}

}  // namespace tunesmith::engine
