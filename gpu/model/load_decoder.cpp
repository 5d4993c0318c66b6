#include "model/load_decoder.h"

#include <cstdlib>

#include "formats/adapter.h"
#include "model/cpu_features.h"

namespace tunesmith::engine {
namespace {

struct Machine {
  const Kernels* kernels;
  Elem elem;
};

Machine choose_machine(Compute compute) {
  const char* limit = std::getenv("ONEDNN_MAX_CPU_ISA");
  const CpuFeatures features = detect_cpu_features(limit != nullptr ? limit : "");
  const Elem elem = choose_compute(compute, features);
  return {&kernels_for(best_isa(features), elem), elem};
}

}  // namespace

Result<Decoder> load_for_training(const Job& job, const ModelConfig& config, Compute compute) {
  const HyperParameters& hyper = job.hyper_parameters;
  AdapterConfig adapter{job.model_name,     hyper.lora_rank,  hyper.lora_alpha,
                        hyper.lora_dropout, hyper.use_rslora, hyper.target_modules};
  auto lora = make_lora(config, std::move(adapter));
  if (!lora) return tl::unexpected(lora.error());
  if (job.initial_adapter.empty()) {
    initialise(*lora, hyper.seed);
  } else {
    auto initial = read_adapter(job.initial_adapter);
    if (!initial) return tl::unexpected(initial.error());
    if (auto copied = copy_from_adapter(*lora, *initial); !copied) {
      return tl::unexpected(copied.error());
    }
  }
  const Machine machine = choose_machine(compute);
  const WeightOptions options{job.method, hyper.double_quantization, machine.elem,
                              WeightCache::kAuto};
  auto weights = Weights::load(job.model_dir, options, *machine.kernels, *lora, config);
  if (!weights) return tl::unexpected(weights.error());
  return Decoder(std::move(*weights), std::move(*lora));
}

Result<Decoder> load_for_inference(const InferenceOptions& options) {
  auto config = read_model_config(options.model_dir);
  if (!config) return tl::unexpected(config.error());
  Lora lora;
  if (!options.adapter_dir.empty()) {
    auto adapter = read_adapter(options.adapter_dir);
    if (!adapter) return tl::unexpected(adapter.error());
    auto made = make_lora(*config, adapter->config);
    if (!made) return tl::unexpected(made.error());
    lora = std::move(*made);
    if (auto copied = copy_from_adapter(lora, *adapter); !copied) {
      return tl::unexpected(copied.error());
    }
  }
  const Machine machine =
      choose_machine(options.compute == Compute::kAuto ? Compute::kFp32 : options.compute);
  const WeightOptions weight_options{options.method, options.double_quantization, machine.elem,
                                     WeightCache::kAuto};
  auto weights = Weights::load(options.model_dir, weight_options, *machine.kernels, lora, *config);
  if (!weights) return tl::unexpected(weights.error());
  return Decoder(std::move(*weights), std::move(lora));
}

}  // namespace tunesmith::engine
