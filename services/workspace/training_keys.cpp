#include "workspace/training_keys.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "workspace/training_values.h"

namespace tunesmith::workspace {
namespace {

using events::v1::HyperParameters;
using nlohmann::json;

constexpr const char* kModel = "ModelConfig";
constexpr const char* kQuantization = "QuantizationConfig";
constexpr const char* kLora = "LoraConfig";
constexpr const char* kArguments = "TrainingArguments";
constexpr const char* kDataset = "DatasetConfig";
constexpr const char* kCollator = "DataCollator";

std::vector<TrainingKey> keys_with_effect() {
  using H = HyperParameters;
  const auto note_seed = [](const json& value, TrainingDraft& draft) {
    return read_whole(value, 0, 9e15, [&](std::uint64_t seed) { draft.shuffle_seed = seed; });
  };
  const auto eval_steps = [](const json& value, TrainingDraft& draft) {
    return read_whole(value, 1, 1e9, [&](std::uint64_t steps) { draft.eval_steps = steps; });
  };
  const auto in_4bit = [](const json& value, TrainingDraft& draft) {
    return read_flag(value, [&](bool on) { draft.load_in_4bit = on; });
  };
  const auto in_8bit = [](const json& value, TrainingDraft& draft) {
    return read_flag(value, [&](bool on) { draft.load_in_8bit = on; });
  };
  const auto quant_type = [](const json& value, TrainingDraft& draft) -> std::string {
    draft.quant_type = value.is_string() ? value.get<std::string>() : "";
    return {};
  };
  return {
      {kModel, "revision", true, revision},
      {kQuantization, "load_in_4bit", true, in_4bit},
      {kQuantization, "load_in_8bit", true, in_8bit},
      {kQuantization, "bnb_4bit_quant_type", true, quant_type},
      {kQuantization, "bnb_4bit_use_double_quant", true, flag(&H::set_double_quantization)},
      {kLora, "r", true, whole(&H::set_lora_rank, 1, 1024)},
      {kLora, "lora_alpha", true, positive(&H::set_lora_alpha, 65536)},
      {kLora, "lora_dropout", true, real(&H::set_lora_dropout, 0, 0.99)},
      {kLora, "use_rslora", true, flag(&H::set_use_rslora)},
      {kLora, "target_modules", true, target_modules},
      {kArguments, "num_train_epochs", true, positive(&H::set_num_train_epochs, 10000)},
      {kArguments, "max_steps", true, max_steps},
      {kArguments, "per_device_train_batch_size", true,
       whole(&H::set_per_device_train_batch_size, 1, 4096)},
      {kArguments, "per_device_eval_batch_size", true,
       whole(&H::set_per_device_eval_batch_size, 1, 4096)},
      {kArguments, "gradient_accumulation_steps", true,
       whole(&H::set_gradient_accumulation_steps, 1, 65536)},
      {kArguments, "learning_rate", true, positive(&H::set_learning_rate, 1)},
      {kArguments, "lr_scheduler_type", true, lr_scheduler_type},
      {kArguments, "warmup_steps", true, whole(&H::set_warmup_steps, 0, 1e9)},
      {kArguments, "warmup_ratio", true, real(&H::set_warmup_ratio, 0, 1)},
      {kArguments, "weight_decay", true, real(&H::set_weight_decay, 0, 10)},
      {kArguments, "adam_beta1", true, real(&H::set_adam_beta1, 0, 0.999999)},
      {kArguments, "adam_beta2", true, real(&H::set_adam_beta2, 0, 0.999999)},
      {kArguments, "adam_epsilon", true, positive(&H::set_adam_epsilon, 1)},
      {kArguments, "max_grad_norm", true, real(&H::set_max_grad_norm, 0, 1e6)},
      {kArguments, "seed", true, whole(&H::set_seed, 0, 9e15)},
      {kArguments, "gradient_checkpointing", true, flag(&H::set_gradient_checkpointing)},
      {kArguments, "logging_steps", true, whole(&H::set_logging_steps, 1, 1e6)},
      {kArguments, "eval_strategy", true, eval_strategy},
      {kArguments, "evaluation_strategy", true, eval_strategy},
      {kArguments, "eval_steps", true, eval_steps},
      {kArguments, "optim", true, optim},
      {kArguments, "output_dir", true, output_dir},
      {kArguments, "max_seq_length", true, whole(&H::set_max_seq_length, 8, 1 << 20)},
      {kArguments, "max_length", true, whole(&H::set_max_seq_length, 8, 1 << 20)},
      {kArguments, "packing", true, flag(&H::set_packing)},
      {kArguments, "assistant_only_loss", true, flag(&H::set_assistant_only_loss)},
      {kDataset, "shuffle_dataset", true, flag(&H::set_shuffle_dataset)},
      {kDataset, "shuffle_seed", true, note_seed},
      {kDataset, "train_test_split", true, positive(&H::set_train_test_split, 1)},
  };
}

// Keys that would train something else: taken only with the value that changes nothing.
std::vector<TrainingKey> keys_of_one_value() {
  return {
      {kModel, "trust_remote_code", true, only({false})},
      {kModel, "chat_template", true, only({})},
      {kModel, "state_dict", true, only({})},
      {kQuantization, "quant_method", true, only({"bitsandbytes"})},
      {kLora, "bias", true, only({"none"})},
      {kLora, "task_type", true, only({"CAUSAL_LM"})},
      {kLora, "peft_type", true, only({"LORA"})},
      {kLora, "init_lora_weights", true, only({true})},
      {kLora, "fan_in_fan_out", true, only({false})},
      {kLora, "use_dora", true, only({false})},
      {kLora, "inference_mode", true, only({false})},
      {kLora, "modules_to_save", true, only({})},
      {kLora, "layers_to_transform", true, only({})},
      {kLora, "layers_pattern", true, only({})},
      {kLora, "rank_pattern", true, only({})},
      {kLora, "alpha_pattern", true, only({})},
      {kLora, "loftq_config", true, only({})},
      {kLora, "megatron_config", true, only({})},
      {kLora, "layer_replication", true, only({})},
      {kArguments, "label_smoothing_factor", true, only({0})},
      {kArguments, "neftune_noise_alpha", true, only({})},
      {kArguments, "optim_args", true, only({})},
      {kArguments, "lr_scheduler_kwargs", true, only({})},
      {kArguments, "completion_only_loss", true, only({true})},
      {kArguments, "push_to_hub", true, only({false})},
      {kArguments, "adafactor", true, only({false})},
      {kDataset, "context_column", true, only({"prompt"})},
      {kDataset, "response_column", true, only({"text", "completion"})},
      {kDataset, "messages_column", true, only({"messages"})},
  };
}

// Settings of a Python process that this engine does not have, or of what the user gets anyway.
struct NoEffect {
  const char* section;
  std::vector<const char*> names;
};

std::vector<NoEffect> keys_without_effect() {
  return {
      {kModel,
       {"torch_dtype", "dtype", "local_files_only", "device_map", "pretrained_model_name_or_path",
        "cache_dir", "force_download", "proxies", "output_loading_info", "attn_implementation",
        "low_cpu_mem_usage", "use_cache", "max_memory", "resume_download", "subfolder", "variant",
        "use_safetensors", "token", "offload_folder"}},
      {kQuantization,
       {"bnb_4bit_compute_dtype", "bnb_4bit_quant_storage", "llm_int8_threshold",
        "llm_int8_skip_modules", "llm_int8_enable_fp32_cpu_offload", "llm_int8_has_fp16_weight"}},
      {kLora, {"base_model_name_or_path", "auto_mapping", "revision", "megatron_core"}},
      {kArguments,
       {"overwrite_output_dir",
        "do_train",
        "do_eval",
        "do_predict",
        "prediction_loss_only",
        "per_gpu_train_batch_size",
        "per_gpu_eval_batch_size",
        "eval_accumulation_steps",
        "eval_delay",
        "log_level",
        "log_level_replica",
        "log_on_each_node",
        "logging_dir",
        "logging_strategy",
        "logging_first_step",
        "logging_nan_inf_filter",
        "save_strategy",
        "save_steps",
        "save_total_limit",
        "save_safetensors",
        "save_on_each_node",
        "save_only_model",
        "restore_callback_states_from_checkpoint",
        "use_cpu",
        "no_cuda",
        "use_mps_device",
        "data_seed",
        "jit_mode_eval",
        "use_ipex",
        "bf16",
        "fp16",
        "fp16_opt_level",
        "half_precision_backend",
        "bf16_full_eval",
        "fp16_full_eval",
        "tf32",
        "local_rank",
        "ddp_backend",
        "ddp_find_unused_parameters",
        "ddp_bucket_cap_mb",
        "ddp_broadcast_buffers",
        "ddp_timeout",
        "tpu_num_cores",
        "debug",
        "dataloader_drop_last",
        "dataloader_num_workers",
        "dataloader_pin_memory",
        "dataloader_persistent_workers",
        "dataloader_prefetch_factor",
        "past_index",
        "run_name",
        "disable_tqdm",
        "remove_unused_columns",
        "label_names",
        "load_best_model_at_end",
        "metric_for_best_model",
        "greater_is_better",
        "ignore_data_skip",
        "fsdp",
        "fsdp_config",
        "fsdp_min_num_params",
        "accelerator_config",
        "deepspeed",
        "group_by_length",
        "length_column_name",
        "report_to",
        "skip_memory_metrics",
        "resume_from_checkpoint",
        "hub_model_id",
        "hub_strategy",
        "hub_token",
        "hub_private_repo",
        "hub_always_push",
        "gradient_checkpointing_kwargs",
        "include_inputs_for_metrics",
        "include_num_input_tokens_seen",
        "include_tokens_per_second",
        "auto_find_batch_size",
        "full_determinism",
        "torchdynamo",
        "ray_scope",
        "torch_compile",
        "torch_compile_backend",
        "torch_compile_mode",
        "dispatch_batches",
        "split_batches",
        "eval_on_start",
        "torch_empty_cache_steps",
        "use_liger_kernel",
        "batch_eval_metrics",
        "dataset_text_field",
        "dataset_num_proc",
        "dataset_kwargs",
        "dataset_batch_size",
        "model_init_kwargs",
        "eval_packing",
        "pad_token",
        "eos_token",
        "padding_free",
        "pad_to_multiple_of"}},
      {kDataset, {"dataset_path", "dataset_extension"}},
      {kCollator,
       {"mlm", "mlm_probability", "pad_to_multiple_of", "return_tensors", "tokenizer",
        "tf_experimental_compile", "seed"}},
  };
}

std::string nothing(const json&, TrainingDraft&) { return {}; }

std::vector<TrainingKey> make_keys() {
  std::vector<TrainingKey> keys = keys_with_effect();
  for (auto& key : keys_of_one_value()) {
    keys.push_back(std::move(key));
  }
  for (const auto& group : keys_without_effect()) {
    for (const char* name : group.names) {
      keys.push_back({group.section, name, false, nothing});
    }
  }
  return keys;
}

}  // namespace

const std::vector<TrainingKey>& training_keys() {
  static const std::vector<TrainingKey> keys = make_keys();
  return keys;
}

const TrainingKey* find_training_key(std::string_view section, std::string_view name) {
  const auto& keys = training_keys();
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const TrainingKey& key) {
    return key.section == section && key.name == name;
  });
  return found == keys.end() ? nullptr : &*found;
}

const std::vector<std::string>& training_sections() {
  static const std::vector<std::string> sections{kModel,     kQuantization, kLora,
                                                 kArguments, kDataset,      kCollator};
  return sections;
}

}  // namespace tunesmith::workspace
