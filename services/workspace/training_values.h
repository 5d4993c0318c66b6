// How values of training_config.yaml are taken: what is accepted, and what is said when it is not.
// Not for other folders.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "workspace/training_keys.h"

namespace tunesmith::workspace {

// Returns what is wrong with the value ("expected …"), or nothing.
using ApplyValue = std::function<std::string(const nlohmann::json&, TrainingDraft&)>;

// A number in [least, most].
ApplyValue real(void (events::v1::HyperParameters::*set)(double), double least, double most);
// A number above 0.
ApplyValue positive(void (events::v1::HyperParameters::*set)(double), double most);
ApplyValue flag(void (events::v1::HyperParameters::*set)(bool));
// Only these values (or an empty list or mapping) are what the engine does; anything else would be
// silently another training.
ApplyValue only(std::vector<nlohmann::json> accepted);

// A whole number in [least, most].
std::string read_whole(const nlohmann::json& value, double least, double most,
                       const std::function<void(std::uint64_t)>& set);
std::string read_flag(const nlohmann::json& value, const std::function<void(bool)>& set);

template <typename Unsigned>
ApplyValue whole(void (events::v1::HyperParameters::*set)(Unsigned), double least, double most) {
  return [=](const nlohmann::json& value, TrainingDraft& draft) {
    return read_whole(value, least, most, [&](std::uint64_t number) {
      (draft.hyper_parameters.*set)(static_cast<Unsigned>(number));
    });
  };
}

std::string output_dir(const nlohmann::json& value, TrainingDraft& draft);
std::string target_modules(const nlohmann::json& value, TrainingDraft& draft);
std::string lr_scheduler_type(const nlohmann::json& value, TrainingDraft& draft);
std::string optim(const nlohmann::json& value, TrainingDraft& draft);
std::string eval_strategy(const nlohmann::json& value, TrainingDraft& draft);
std::string max_steps(const nlohmann::json& value, TrainingDraft& draft);
std::string revision(const nlohmann::json& value, TrainingDraft& draft);

}  // namespace tunesmith::workspace
