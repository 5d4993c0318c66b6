// training_config.yaml → hyper-parameters. Every key is implemented, accepted without effect (and
// said so), or refused; never silence.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::workspace {

struct TrainingConfig {
  events::v1::HyperParameters hyper_parameters;  // every field set
  std::string model_revision;                    // ModelConfig.revision; empty = the preset's
  std::vector<std::string> notes;                // what was accepted without effect, for the user
};

// The values when nothing is written: KAITO's templates, else Hugging Face's defaults, else ours
// (progress at every step, 2048 tokens).
events::v1::HyperParameters default_hyper_parameters(events::v1::TuningMethod method);

// An empty text = the defaults. Permanent `TrainingConfigInvalid`, one sentence naming all
// problems: no YAML, unknown section or key (with the nearest known), wrong type or range,
// quantisation that contradicts the method, output_dir outside /mnt, what is not supported.
// TUNING_METHOD_UNSPECIFIED checks all but the contradiction with the method.
Result<TrainingConfig> read_training_config(std::string_view yaml, events::v1::TuningMethod method);

}  // namespace tunesmith::workspace
