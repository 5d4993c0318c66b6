#include "workspace/training_keys.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "workspace/spelling.h"

namespace tunesmith::workspace {
namespace {

using events::v1::HyperParameters;
using nlohmann::json;
using Apply = std::function<std::string(const json&, TrainingDraft&)>;

constexpr const char* kModel = "ModelConfig";
constexpr const char* kQuantization = "QuantizationConfig";
constexpr const char* kLora = "LoraConfig";
constexpr const char* kArguments = "TrainingArguments";
constexpr const char* kDataset = "DatasetConfig";
constexpr const char* kCollator = "DataCollator";

std::string plain(double value) {
  json number = value;
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    number = static_cast<std::int64_t>(value);
  }
  return number.dump();
}

// Numbers may be quoted, and 5e-5 without a dot is text to YAML 1.1: transformers reads both.
std::optional<double> number_of(const json& value) {
  if (value.is_number()) {
    return value.get<double>();
  }
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size() && std::isfinite(number)) {
      return number;
    }
  }
  return std::nullopt;
}

std::optional<bool> flag_of(const json& value) {
  if (value.is_boolean()) {
    return value.get<bool>();
  }
  const std::string word = value.is_string() ? lower(value.get<std::string>()) : "";
  if (word == "true" || word == "yes" || word == "on") {
    return true;
  }
  if (word == "false" || word == "no" || word == "off") {
    return false;
  }
  return std::nullopt;
}

Apply real(void (HyperParameters::*set)(double), double least, double most) {
  return [=](const json& value, TrainingDraft& draft) -> std::string {
    const auto number = number_of(value);
    if (!number || *number < least || *number > most) {
      return "expected a number in " + plain(least) + ".." + plain(most);
    }
    (draft.hyper_parameters.*set)(*number);
    return {};
  };
}

// A number above 0.
Apply positive(void (HyperParameters::*set)(double), double most) {
  return [=](const json& value, TrainingDraft& draft) -> std::string {
    const auto number = number_of(value);
    if (!number || *number <= 0 || *number > most) {
      return "expected a number above 0, at most " + plain(most);
    }
    (draft.hyper_parameters.*set)(*number);
    return {};
  };
}

std::string read_whole(const json& value, double least, double most,
                       const std::function<void(std::uint64_t)>& set) {
  const auto number = number_of(value);
  if (!number || *number != std::floor(*number) || *number < least || *number > most) {
    return "expected a whole number in " + plain(least) + ".." + plain(most);
  }
  set(static_cast<std::uint64_t>(*number));
  return {};
}

template <typename Unsigned>
Apply whole(void (HyperParameters::*set)(Unsigned), double least, double most) {
  return [=](const json& value, TrainingDraft& draft) {
    return read_whole(value, least, most, [&](std::uint64_t number) {
      (draft.hyper_parameters.*set)(static_cast<Unsigned>(number));
    });
  };
}

std::string read_flag(const json& value, const std::function<void(bool)>& set) {
  const auto flag = flag_of(value);
  if (!flag) {
    return "expected true or false";
  }
  set(*flag);
  return {};
}

Apply flag(void (HyperParameters::*set)(bool)) {
  return [=](const json& value, TrainingDraft& draft) {
    return read_flag(value, [&](bool on) { (draft.hyper_parameters.*set)(on); });
  };
}

// Only these values are what the engine does; anything else would be silently another training.
Apply only(std::vector<json> accepted) {
  return [=](const json& value, TrainingDraft&) -> std::string {
    const bool empty = value.is_structured() && value.empty();
    const auto same = [&](const json& item) {
      return item == value || (item.is_boolean() && flag_of(value) == item.get<bool>()) ||
             (item.is_number() && number_of(value) == item.get<double>());
    };
    if (empty || std::any_of(accepted.begin(), accepted.end(), same)) {
      return {};
    }
    std::string list;
    for (const auto& item : accepted) {
      list += (list.empty() ? "" : " or ") + item.dump();
    }
    return accepted.empty() ? "not supported, leave it out" : "only " + list + " is supported";
  };
}

std::string nothing(const json&, TrainingDraft&) { return {}; }

std::string output_dir(const json& value, TrainingDraft&) {
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    if (part == "..") {
      if (!parts.empty()) {
        parts.pop_back();
      }
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    begin = end + 1;
  }
  if (!text.starts_with('/') || parts.empty() || parts.front() != "mnt") {
    return "expected a folder under /mnt, e.g. /mnt/results";
  }
  return {};
}

std::string target_modules(const json& value, TrainingDraft& draft) {
  auto& modules = *draft.hyper_parameters.mutable_target_modules();
  modules.Clear();
  if (value == "all-linear") {
    return {};
  }
  for (const auto& item : value.is_array() ? value : json::array({value})) {
    const std::string name = item.is_string() ? item.get<std::string>() : "";
    const bool valid =
        !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        });
    if (!valid) {
      return "expected a list of module names such as q_proj, or all-linear";
    }
    if (std::find(modules.begin(), modules.end(), name) == modules.end()) {
      *modules.Add() = name;
    }
  }
  return {};
}

std::string lr_scheduler_type(const json& value, TrainingDraft& draft) {
  static const std::vector<std::string> kKnown{"linear", "cosine", "constant",
                                               "constant_with_warmup"};
  const std::string name = value.is_string() ? lower(value.get<std::string>()) : "";
  if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
    return "expected linear, cosine, constant or constant_with_warmup";
  }
  draft.hyper_parameters.set_lr_scheduler_type(name);
  return {};
}

std::string optim(const json& value, TrainingDraft& draft) {
  const std::string name = value.is_string() ? lower(value.get<std::string>()) : "";
  if (name.find("adamw") == std::string::npos) {
    return "expected adamw_torch (AdamW is the optimizer that exists)";
  }
  if (name != "adamw_torch" && name != "adamw_torch_fused" && name != "adamw_hf") {
    draft.notes.push_back("TrainingArguments.optim: " + name + " is run as adamw_torch (32 bit)");
  }
  return {};
}

std::string eval_strategy(const json& value, TrainingDraft& draft) {
  if (value == false) {  // an unquoted `no` in YAML 1.1
    return {};
  }
  const std::string name = value.is_string() ? value.get<std::string>() : "";
  if (name != "no" && name != "steps" && name != "epoch") {
    return "expected \"no\", \"steps\" or \"epoch\"";
  }
  draft.eval_strategy = name;
  return {};
}

std::string max_steps(const json& value, TrainingDraft& draft) {
  if (number_of(value) == -1.0) {  // Hugging Face's word for "by epochs"
    draft.hyper_parameters.set_max_steps(0);
    return {};
  }
  return whole(&HyperParameters::set_max_steps, 0, 1e9)(value, draft);
}

std::string revision(const json& value, TrainingDraft& draft) {
  const std::string name = value.is_string() ? value.get<std::string>() : "";
  const bool valid = !name.empty() && name.size() <= 100 && name.find("..") == std::string::npos &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
                     });
  if (!valid) {
    return "expected a branch, tag or commit (quote numbers)";
  }
  draft.model_revision = name;
  return {};
}

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
