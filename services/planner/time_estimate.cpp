#include "planner/time_estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace tunesmith::planner {
namespace {

// Per core. Measured on an AMD EPYC (Zen 5): 1026 to 1270 tok/s of SmolLM2-135M in bf16 and 579 in
// fp32 on two cores, at 0.62 GFLOP a token. Not measured: AMX is taken like AMD's bf16, AVX2 as
// half of AVX-512.
constexpr double kBf16FlopsPerCore = 0.35e12;
constexpr double kAvx512FlopsPerCore = 0.18e12;
constexpr double kAvx2FlopsPerCore = 0.09e12;
constexpr double kPlainFlopsPerCore = 0.02e12;

// Starting the engine, reading and quantising the weights: measured 2 s for 135 M parameters.
constexpr double kStartSeconds = 1.0;
constexpr double kStartSecondsPerParameter = 1.0 / 135e6;

// What a chat template adds to a row: role markers of its turns and a default system turn
// (SmolLM2: 23 tokens; Llama 3: 20).
constexpr double kTemplateTokens = 20;

std::string_view value_of(std::string_view cpuinfo, std::string_view key) {
  const std::size_t begin = cpuinfo.find(key);
  if (begin == std::string_view::npos) return {};
  const std::string_view line = cpuinfo.substr(begin, cpuinfo.find('\n', begin) - begin);
  return line.substr(std::min(line.find(':') + 1, line.size()));
}

bool has_flag(std::string_view flags, std::string_view flag) {
  for (std::size_t at = flags.find(flag); at != std::string_view::npos;
       at = flags.find(flag, at + 1)) {
    const std::size_t end = at + flag.size();
    const bool begins = at == 0 || flags[at - 1] == ' ';
    if (begins && (end == flags.size() || flags[end] == ' ')) return true;
  }
  return false;
}

double adapter_parameters(const ModelShape& shape,
                          const events::v1::HyperParameters& hyper_parameters) {
  const std::vector<std::string> modules(hyper_parameters.target_modules().begin(),
                                         hyper_parameters.target_modules().end());
  return static_cast<double>(shape.adapter_parameters(hyper_parameters.lora_rank(), modules));
}

double frozen_parameters(const ModelShape& shape) {
  return static_cast<double>(shape.linear_parameters() + shape.vocab * shape.hidden);
}

double attention_flops(const ModelShape& shape, double length) {
  return 4.0 * static_cast<double>(shape.layers * shape.heads * shape.head_dim) * length / 2;
}

// Of an average row, as the model sees it.
double row_tokens(const TimeQuestion& question) {
  const auto rows = static_cast<double>(question.data.rows());
  const double text = static_cast<double>(question.data_tokens) / rows;
  const double wrapped = text + (question.data.layout() == "text" ? 1 : kTemplateTokens);
  const auto cut = static_cast<double>(question.hyper_parameters.max_seq_length());
  return cut > 0 ? std::min(wrapped, cut) : wrapped;
}

}  // namespace

DeviceSpeed cpu_speed(std::string_view cpuinfo, unsigned cores) {
  const std::string_view flags = value_of(cpuinfo, "flags");
  const bool amd = value_of(cpuinfo, "vendor_id").find("AuthenticAMD") != std::string_view::npos;
  double per_core = kPlainFlopsPerCore;
  const char* how = "fp32";
  if (has_flag(flags, "amx_bf16")) {
    per_core = kBf16FlopsPerCore;
    how = "bf16 in AMX";
  } else if (amd && has_flag(flags, "avx512_bf16")) {
    per_core = kBf16FlopsPerCore;
    how = "bf16 in AVX-512";
  } else if (has_flag(flags, "avx512f")) {
    per_core = kAvx512FlopsPerCore;
    how = "fp32 in AVX-512";
  } else if (has_flag(flags, "avx2")) {
    per_core = kAvx2FlopsPerCore;
    how = "fp32 in AVX2";
  }
  return {per_core * cores,
          fmt::format("{} {} of the CPU, {}", cores, cores == 1 ? "core" : "cores", how)};
}

TrainingSize training_size(const TimeQuestion& question) {
  const auto& hyper = question.hyper_parameters;
  const auto rows = static_cast<double>(question.data.rows());
  if (rows == 0 || question.data_tokens == 0) return {};
  const double split = hyper.train_test_split() > 0 ? hyper.train_test_split() : 1.0;
  const double row = row_tokens(question);
  const double epoch = rows * split * row;
  const double batch = std::max(1.0, static_cast<double>(hyper.per_device_train_batch_size()) *
                                         std::max(1u, hyper.gradient_accumulation_steps()));
  const double step = batch * (hyper.packing() ? static_cast<double>(hyper.max_seq_length()) : row);
  const double by_epochs = std::ceil(epoch / step) * hyper.num_train_epochs();
  const double steps = hyper.max_steps() > 0 ? static_cast<double>(hyper.max_steps())
                                             : std::max(1.0, std::round(by_epochs));
  const double evaluations =
      2 +
      (hyper.eval_steps() > 0 ? std::floor(steps / static_cast<double>(hyper.eval_steps())) : 0);
  return {.steps = static_cast<std::uint64_t>(steps),
          .tokens = static_cast<std::uint64_t>(
              hyper.max_steps() > 0 ? steps * step : epoch * hyper.num_train_epochs()),
          .eval_tokens = static_cast<std::uint64_t>(rows * (1 - split) * row * evaluations)};
}

double forward_flops_per_token(const ModelShape& shape,
                               const events::v1::HyperParameters& hyper_parameters, double length) {
  return 2 * (frozen_parameters(shape) + adapter_parameters(shape, hyper_parameters)) +
         attention_flops(shape, length);
}

double training_flops_per_token(const ModelShape& shape,
                                const events::v1::HyperParameters& hyper_parameters,
                                double length) {
  const double forward = forward_flops_per_token(shape, hyper_parameters, length);
  const double backward = 2 * frozen_parameters(shape) +
                          4 * adapter_parameters(shape, hyper_parameters) +
                          2 * attention_flops(shape, length);
  return forward + backward + (hyper_parameters.gradient_checkpointing() ? forward : 0);
}

std::uint64_t estimate_seconds(const TimeQuestion& question, const DeviceSpeed& device) {
  const TrainingSize size = training_size(question);
  if (size.tokens == 0 || device.flops_per_second <= 0) return 0;
  // Packed examples do not see each other.
  const double length = row_tokens(question);
  const auto& hyper = question.hyper_parameters;
  const double flops =
      static_cast<double>(size.tokens) * training_flops_per_token(question.shape, hyper, length) +
      static_cast<double>(size.eval_tokens) *
          forward_flops_per_token(question.shape, hyper, length);
  const double start =
      kStartSeconds + kStartSecondsPerParameter * static_cast<double>(question.shape.parameters());
  return static_cast<std::uint64_t>(
      std::max(1.0, std::ceil(start + flops / device.flops_per_second)));
}

}  // namespace tunesmith::planner
