#include "workspace/training_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "workspace/documents.h"
#include "workspace/rules.h"
#include "workspace/spelling.h"
#include "workspace/training_keys.h"

namespace tunesmith::workspace {
namespace {

using events::v1::HyperParameters;
using events::v1::TuningMethod;
using nlohmann::json;

std::string joined(const std::vector<std::string>& parts, const char* separator) {
  std::string text;
  for (const auto& part : parts) {
    text += (text.empty() ? "" : separator) + part;
  }
  return text;
}

std::string unknown_key(const std::string& section, const std::string& name) {
  std::vector<std::string> known;
  std::vector<std::string> with_effect;
  std::string elsewhere;
  for (const auto& key : training_keys()) {
    if (key.section == section) {
      known.push_back(key.name);
      if (key.has_effect) {
        with_effect.push_back(key.name);
      }
    } else if (key.name == name) {
      elsewhere = key.section;
    }
  }
  const std::string place = in_quotes(name) + " is no known key of " + section;
  if (!elsewhere.empty()) {
    return place + ", it belongs into " + elsewhere;
  }
  const std::string meant = suggestion(name, known);
  return meant.empty() ? place + ", expected one of " + joined(with_effect, ", ") : place + meant;
}

void read_section(const std::string& section, const json& value, TrainingDraft& draft,
                  std::vector<std::string>& problems, std::vector<std::string>& no_effect) {
  if (value.is_null()) {
    return;
  }
  if (!value.is_object()) {
    problems.push_back(section + ": expected a mapping of keys");
    return;
  }
  for (const auto& [name, item] : value.items()) {
    const TrainingKey* key = find_training_key(section, name);
    if (key == nullptr) {
      problems.push_back(unknown_key(section, name));
      continue;
    }
    if (item.is_null()) {
      continue;  // the default, as in Python
    }
    if (const std::string problem = key->apply(item, draft); !problem.empty()) {
      problems.push_back(fmt::format("{}.{}: {}, found {}", section, name, problem, shown(item)));
    } else if (!key->has_effect) {
      no_effect.push_back(fmt::format("{}.{}", section, name));
    }
  }
}

void check_quantisation(const TrainingDraft& draft, TuningMethod method,
                        std::vector<std::string>& problems) {
  const bool in_4bit = draft.load_in_4bit.value_or(method == events::v1::TUNING_METHOD_QLORA);
  if (draft.load_in_8bit) {
    problems.emplace_back(draft.load_in_4bit.value_or(false)
                              ? "QuantizationConfig: load_in_4bit and load_in_8bit are both true, "
                                "leave load_in_8bit out"
                              : "QuantizationConfig.load_in_8bit: 8 bit weights are not supported, "
                                "use method qlora with load_in_4bit");
  }
  if (method == events::v1::TUNING_METHOD_QLORA && !in_4bit) {
    problems.emplace_back(
        "QuantizationConfig.load_in_4bit is false but tuning.method is qlora: set it to true or "
        "use method lora");
  }
  if (method == events::v1::TUNING_METHOD_LORA && in_4bit) {
    problems.emplace_back(
        "QuantizationConfig.load_in_4bit is true but tuning.method is lora: set it to false or "
        "use method qlora");
  }
  if (in_4bit && draft.quant_type != "nf4") {
    problems.push_back("QuantizationConfig.bnb_4bit_quant_type: expected nf4, found " +
                       in_quotes(draft.quant_type));
  }
}

// What depends on more than one key.
void settle(TrainingDraft& draft, TuningMethod method) {
  HyperParameters& hyper = draft.hyper_parameters;
  if (draft.eval_strategy == "steps") {
    hyper.set_eval_steps(draft.eval_steps != 0 ? draft.eval_steps : hyper.logging_steps());
  } else if (draft.eval_strategy == "epoch") {
    draft.notes.emplace_back(
        "TrainingArguments.eval_strategy: epoch is not supported, the evaluation split is measured "
        "before and after the training; use steps with eval_steps for more");
  }
  if (draft.shuffle_seed && *draft.shuffle_seed != hyper.seed()) {
    draft.notes.push_back("DatasetConfig.shuffle_seed has no effect, TrainingArguments.seed (" +
                          std::to_string(hyper.seed()) + ") decides the order");
  }
  if (method != events::v1::TUNING_METHOD_QLORA) {
    hyper.set_double_quantization(false);
  }
}

Result<json> sections_of(std::string_view yaml) {
  auto document = parse_value(yaml);
  if (!document) {
    return permanent("TrainingConfigInvalid", "training_config.yaml: " + document.error().message);
  }
  if (document->is_null()) {
    return json::object();
  }
  if (!document->is_object() || document->size() != 1 || !document->contains("training_config")) {
    return permanent("TrainingConfigInvalid",
                     "training_config.yaml: expected one key 'training_config' with the sections " +
                         joined(training_sections(), ", "));
  }
  json sections = (*document)["training_config"];
  if (sections.is_null()) {
    return json::object();
  }
  if (!sections.is_object()) {
    return permanent("TrainingConfigInvalid",
                     "training_config.yaml: expected a mapping under 'training_config'");
  }
  return sections;
}

}  // namespace

HyperParameters default_hyper_parameters(TuningMethod method) {
  HyperParameters hyper;
  hyper.set_lora_rank(8);
  hyper.set_lora_alpha(8);
  hyper.set_lora_dropout(0);
  hyper.set_use_rslora(false);
  hyper.set_double_quantization(method == events::v1::TUNING_METHOD_QLORA);
  hyper.set_num_train_epochs(3);
  hyper.set_max_steps(0);
  hyper.set_per_device_train_batch_size(1);
  hyper.set_gradient_accumulation_steps(1);
  hyper.set_learning_rate(5e-5);
  hyper.set_lr_scheduler_type("linear");
  hyper.set_warmup_steps(0);
  hyper.set_warmup_ratio(0);
  hyper.set_weight_decay(0);
  hyper.set_adam_beta1(0.9);
  hyper.set_adam_beta2(0.999);
  hyper.set_adam_epsilon(1e-8);
  hyper.set_max_grad_norm(1);
  hyper.set_seed(42);
  hyper.set_gradient_checkpointing(false);
  hyper.set_logging_steps(1);
  hyper.set_eval_steps(0);
  hyper.set_per_device_eval_batch_size(8);
  hyper.set_shuffle_dataset(true);
  hyper.set_train_test_split(1);
  hyper.set_max_seq_length(2048);
  hyper.set_packing(false);
  hyper.set_assistant_only_loss(true);
  return hyper;
}

Result<TrainingConfig> read_training_config(std::string_view yaml, TuningMethod method) {
  const auto sections = sections_of(yaml);
  if (!sections) {
    return tl::unexpected(sections.error());
  }
  TrainingDraft draft;
  draft.hyper_parameters = default_hyper_parameters(method);
  std::vector<std::string> problems;
  std::vector<std::string> no_effect;
  const auto& known = training_sections();
  for (const auto& [section, value] : sections->items()) {
    if (std::find(known.begin(), known.end(), section) == known.end()) {
      problems.push_back(in_quotes(section) + " is no known section" + suggestion(section, known) +
                         ", expected one of " + joined(known, ", "));
    } else {
      read_section(section, value, draft, problems, no_effect);
    }
  }
  check_quantisation(draft, method, problems);
  if (!problems.empty()) {
    return permanent("TrainingConfigInvalid", "training_config.yaml: " + joined(problems, "; "));
  }
  settle(draft, method);
  TrainingConfig config{draft.hyper_parameters, draft.model_revision, std::move(draft.notes)};
  if (!no_effect.empty()) {
    config.notes.push_back("accepted without effect in training_config.yaml: " +
                           joined(no_effect, ", "));
  }
  return config;
}

}  // namespace tunesmith::workspace
