#include "workspace/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "workspace/documents.h"
#include "workspace/rules.h"
#include "workspace/spelling.h"
#include "workspace/training_config.h"
#include "workspace/workspace.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

void check_metadata(const Metadata& metadata, Admission& admission) {
  if (!is_dns_label(metadata.name)) {
    admission.violations.push_back(
        "metadata.name: expected a DNS-1123 label (lower-case letters, digits and '-', at most 63 "
        "characters), found " +
        in_quotes(metadata.name));
  }
  if (!is_dns_label(metadata.name_space)) {
    admission.violations.push_back("metadata.namespace: expected a DNS-1123 label, found " +
                                   in_quotes(metadata.name_space));
  }
}

void check_immutable(const char* path, bool same, Admission& admission) {
  if (!same) {
    admission.violations.push_back(std::string(path) +
                                   ": cannot be changed, delete the Workspace and apply a new one");
  }
}

// Aliases and letter cases of one model are the same model.
std::string canonical_preset(const std::string& name, const ValidationOptions& options) {
  const auto& catalogue = options.presets != nullptr ? *options.presets : built_in_presets();
  const Preset* preset = catalogue.find(name);
  return preset != nullptr ? preset->name : name;
}

std::string inference_preset(const json& object) {
  const json& name = member_of(member_of(member_of(object, "inference"), "preset"), "name");
  return name.is_string() ? name.get<std::string>() : std::string();
}

}  // namespace

const json& member_of(const json& object, const char* name) {
  static const json kNull;
  if (!object.is_object()) {
    return kNull;
  }
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShown = 120;
  return "'" + std::string(text.substr(0, kShown)) + (text.size() > kShown ? "…'" : "'");
}

bool is_dns_label(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 63 && letter(text.front()) && letter(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || c == '-'; });
}

bool is_dns_subdomain(std::string_view text) {
  if (text.size() > 253) {
    return false;
  }
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    if (!is_dns_label(text.substr(begin, end - begin))) {
      return false;
    }
    begin = end + 1;
  }
  return true;
}

void warn_of_unknown(const json& object, const std::string& path,
                     const std::vector<std::string>& known, Admission& admission) {
  if (!object.is_object()) {
    return;
  }
  for (const auto& [name, value] : object.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      admission.warnings.push_back(fmt::format("{}{}{} is no field of a Workspace and is ignored{}",
                                               path, path.empty() ? "" : ".", name,
                                               suggestion(name, known)));
    }
  }
}

std::string Admission::text() const {
  std::string text;
  for (const auto& violation : violations) {
    text += (text.empty() ? "" : "; ") + violation;
  }
  return text;
}

Admission validate_workspace(const json& object, const ValidationOptions& options) {
  Admission admission;
  const auto workspace = read_workspace(object);
  if (!workspace) {
    admission.violations.push_back(workspace.error().message);
    return admission;
  }
  if (object.contains("spec")) {
    admission.violations.emplace_back(
        "spec: a Workspace has none, write resource and tuning at the top level");
  }
  warn_of_unknown(
      object, "",
      {"apiVersion", "kind", "metadata", "resource", "tuning", "inference", "status", "spec"},
      admission);
  check_metadata(workspace->metadata, admission);
  check_resource(object, *workspace, options, admission);
  if (workspace->tuning && workspace->inference) {
    admission.violations.emplace_back("expected either tuning or inference, found both");
  } else if (!workspace->tuning && !workspace->inference) {
    admission.violations.emplace_back("expected tuning or inference, found neither");
  } else if (workspace->tuning) {
    check_tuning(object, *workspace->tuning, options, admission);
  } else {
    check_inference(object, options, admission);
  }
  return admission;
}

Admission validate_update(const json& before, const json& after, const ValidationOptions& options) {
  if (!member_of(member_of(after, "metadata"), "deletionTimestamp").is_null()) {
    return {};
  }
  Admission admission = validate_workspace(after, options);
  const auto old_one = read_workspace(before);
  const auto new_one = read_workspace(after);
  if (!old_one || !new_one) {
    return admission;
  }
  check_immutable("resource.count", old_one->resource.count == new_one->resource.count, admission);
  check_immutable("resource.instanceType",
                  old_one->resource.instance_type == new_one->resource.instance_type, admission);
  check_immutable("resource.labelSelector",
                  old_one->resource.match_labels == new_one->resource.match_labels, admission);
  if (old_one->tuning.has_value() != new_one->tuning.has_value() ||
      old_one->inference != new_one->inference) {
    admission.violations.emplace_back(
        "tuning and inference cannot be switched, delete the Workspace and apply a new one");
    return admission;
  }
  if (old_one->tuning && new_one->tuning) {
    check_immutable("tuning.method", old_one->tuning->method == new_one->tuning->method, admission);
    check_immutable("tuning.preset",
                    canonical_preset(old_one->tuning->preset, options) ==
                        canonical_preset(new_one->tuning->preset, options),
                    admission);
  }
  check_immutable("inference.preset",
                  canonical_preset(inference_preset(before), options) ==
                      canonical_preset(inference_preset(after), options),
                  admission);
  return admission;
}

Admission validate_config_map(const json& object) {
  Admission admission;
  const std::string name = key_of(object).name;
  if (!is_config_map(object)) {
    admission.violations.emplace_back("expected apiVersion v1 and kind ConfigMap");
  } else if (!is_dns_subdomain(name)) {
    admission.violations.push_back("metadata.name: expected a DNS-1123 subdomain, found " +
                                   in_quotes(name));
  } else if (member_of(member_of(object, "data"), kTrainingConfigKey).is_null()) {
    admission.warnings.push_back("the ConfigMap '" + name + "' has no key training_config.yaml");
  } else if (const auto text = training_config_of(object); !text) {
    admission.violations.push_back(text.error().message);
  } else if (const auto config = read_training_config(*text, events::v1::TUNING_METHOD_UNSPECIFIED);
             !config) {
    admission.violations.push_back(config.error().message);
  }
  return admission;
}

Result<std::string> training_config_of(const json& config_map) {
  constexpr std::size_t kMaxBytes = 64u << 10;  // it travels inside an event
  const json& text = member_of(member_of(config_map, "data"), kTrainingConfigKey);
  const std::string name = key_of(config_map).name;
  if (!text.is_string()) {
    return permanent("TrainingConfigMissing", "the ConfigMap '" + name +
                                                  "' has no text under training_config.yaml, "
                                                  "which tuning.config expects there");
  }
  if (text.get_ref<const std::string&>().size() > kMaxBytes) {
    return permanent("TrainingConfigInvalid",
                     "training_config.yaml of the ConfigMap '" + name + "' is larger than 64 KiB");
  }
  return text.get<std::string>();
}

}  // namespace tunesmith::workspace
