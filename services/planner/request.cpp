#include "planner/request.h"

#include <nlohmann/json.hpp>

namespace tunesmith::planner {
namespace {

using nlohmann::json;

Result<void> check_supported(const workspace::Workspace& object) {
  if (object.inference && !object.tuning) {
    return permanent("InferenceNotServed",
                     "this version tunes models and does not serve them yet: expected a Workspace "
                     "with 'tuning' (methods lora and qlora), found 'inference'");
  }
  return {};
}

Result<void> check_volume(const std::string& where, const std::string& kind) {
  if (kind.empty() || kind == "hostPath") {
    return {};
  }
  return permanent("VolumeNotSupported",
                   where + ".volumeSource: a volume of kind '" + kind +
                       "' needs Kubernetes; expected hostPath, a folder of the machine that the "
                       "operator allows");
}

Result<void> check_ends(const workspace::Tuning& tuning) {
  if (auto input = check_volume("tuning.input", tuning.input.volume_kind); !input) {
    return input;
  }
  return check_volume("tuning.output", tuning.output.volume_kind);
}

}  // namespace

Result<TuningRequest> read_request(const events::v1::WorkspaceObserved& observed,
                                   const workspace::ValidationOptions& options) {
  const json object = json::parse(observed.manifest_json(), nullptr, false);
  auto read = workspace::read_workspace(object);
  if (!read) {
    return tl::unexpected(read.error());
  }
  if (auto supported = check_supported(*read); !supported) {
    return tl::unexpected(supported.error());
  }
  const auto& catalogue =
      options.presets != nullptr ? *options.presets : workspace::built_in_presets();
  auto model = workspace::choose_model(read->tuning ? read->tuning->preset : "", catalogue);
  if (read->tuning && !read->tuning->preset.empty() && !model) {
    return tl::unexpected(model.error());
  }
  const auto admission = workspace::validate_workspace(object, options);
  if (!admission.admitted()) {
    return permanent("WorkspaceInvalid", admission.text());
  }
  if (auto ends = check_ends(*read->tuning); !ends) {
    return tl::unexpected(ends.error());
  }
  if (!observed.training_config_problem().empty()) {
    return permanent("TrainingConfigMissing", observed.training_config_problem());
  }
  auto training =
      workspace::read_training_config(observed.training_config_yaml(), read->tuning->method);
  if (!training) {
    return tl::unexpected(training.error());
  }
  if (!training->model_revision.empty()) {
    model->revision = training->model_revision;
  }
  TuningRequest request{*std::move(read), *std::move(model), *std::move(training),
                        admission.warnings};
  request.notes.insert(request.notes.end(), request.training.notes.begin(),
                       request.training.notes.end());
  return request;
}

bool allows_replacing(const events::v1::WorkspaceObserved& observed) {
  const auto read =
      workspace::read_workspace(json::parse(observed.manifest_json(), nullptr, false));
  return read && read->tuning && read->tuning->output.replace_tag;
}

}  // namespace tunesmith::planner
