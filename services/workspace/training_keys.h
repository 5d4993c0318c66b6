// The table of all keys of training_config.yaml: what each does.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::workspace {

// What the keys fill in; settled into hyper-parameters by read_training_config.
struct TrainingDraft {
  events::v1::HyperParameters hyper_parameters;
  std::string eval_strategy = "no";
  std::uint64_t eval_steps = 0;
  std::optional<std::uint64_t> shuffle_seed;
  std::optional<bool> load_in_4bit;
  bool load_in_8bit = false;
  std::string quant_type = "nf4";
  std::string model_revision;
  std::vector<std::string> notes;
};

struct TrainingKey {
  const char* section;
  std::string name;
  bool has_effect;
  // Takes a value that is not null; returns what is wrong with it ("expected …"), or nothing.
  std::function<std::string(const nlohmann::json& value, TrainingDraft& draft)> apply;
};

const std::vector<TrainingKey>& training_keys();
// Null when the section has no such key.
const TrainingKey* find_training_key(std::string_view section, std::string_view name);

// ModelConfig, QuantizationConfig, LoraConfig, TrainingArguments, DatasetConfig, DataCollator.
const std::vector<std::string>& training_sections();

}  // namespace tunesmith::workspace
