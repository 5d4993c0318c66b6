// What an update may not change.
#include <nlohmann/json.hpp>

#include "workspace/rules.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

void refuse_change(Rule rule, const std::string& path, const std::string& before,
                   const std::string& after, Admission& admission) {
  admission.refuse(rule, path + ": cannot be changed: expected " + before + " as it was, found " +
                             after + "; delete the Workspace and apply a new one");
}

void check_text(Rule rule, const std::string& path, const std::string& before,
                const std::string& after, Admission& admission) {
  if (before != after) {
    refuse_change(rule, path, in_quotes(before), in_quotes(after), admission);
  }
}

// Aliases and letter cases of one model are the same model.
std::string canonical_preset(const json& object, const char* goal,
                             const ValidationOptions& options) {
  const json& name = member_of(member_of(member_of(object, goal), "preset"), "name");
  const std::string text = name.is_string() ? name.get<std::string>() : "";
  const auto& catalogue = options.presets != nullptr ? *options.presets : built_in_presets();
  const Preset* preset = catalogue.find(text);
  return preset != nullptr ? preset->name : text;
}

void check_resource_kept(const Resource& before, const Resource& after,
                         const ValidationOptions& options, Admission& admission) {
  check_text(Rule::kImmutableCount, "resource.count", std::to_string(before.count),
             std::to_string(after.count), admission);
  // Where nothing is bought, v1alpha1's default is nobody's word: a manifest may move to v1beta1.
  const auto chosen = [&](const std::string& type) {
    const bool filled_in =
        options.nodes != NodeSource::kProvisioned && type == kDefaultInstanceType;
    return filled_in ? std::string() : type;
  };
  check_text(Rule::kImmutableInstanceType, "resource.instanceType", chosen(before.instance_type),
             chosen(after.instance_type), admission);
  if (before.match_labels != after.match_labels) {
    refuse_change(Rule::kImmutableSelector, "resource.labelSelector",
                  shown(json(before.match_labels)), shown(json(after.match_labels)), admission);
  }
}

}  // namespace

void check_immutable(const json& before, const json& after, const ValidationOptions& options,
                     Admission& admission) {
  const auto was = read_workspace(before);
  const auto is = read_workspace(after);
  if (!was || !is) {
    return;
  }
  check_resource_kept(was->resource, is->resource, options, admission);
  if (was->tuning.has_value() != is->tuning.has_value() || was->inference != is->inference) {
    const auto goal = [](const Workspace& workspace) {
      return std::string(workspace.tuning ? "tuning" : "inference");
    };
    refuse_change(Rule::kImmutableGoal, "tuning, inference", goal(*was), goal(*is), admission);
    return;
  }
  if (was->tuning) {
    if (was->tuning->method != is->tuning->method) {
      const auto method = [](const json& object) {
        return shown(member_of(member_of(object, "tuning"), "method"));
      };
      refuse_change(Rule::kImmutableMethod, "tuning.method", method(before), method(after),
                    admission);
    }
    check_text(Rule::kImmutableTuningPreset, "tuning.preset",
               canonical_preset(before, "tuning", options),
               canonical_preset(after, "tuning", options), admission);
  }
  check_text(Rule::kImmutableInferencePreset, "inference.preset",
             canonical_preset(before, "inference", options),
             canonical_preset(after, "inference", options), admission);
}

}  // namespace tunesmith::workspace
