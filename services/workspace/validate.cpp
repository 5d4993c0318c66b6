#include "workspace/validate.h"

#include <nlohmann/json.hpp>

#include "workspace/documents.h"
#include "workspace/rules.h"
#include "workspace/training_config.h"
#include "workspace/workspace.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

// An event holds the object, the training configuration (64 KiB) and the status in 256 KiB.
constexpr std::size_t kMaxObjectBytes = 128u << 10;

void check_size(const json& object, Admission& admission) {
  json sent = object;
  sent.erase("status");
  if (const auto metadata = sent.find("metadata");
      metadata != sent.end() && metadata->is_object()) {
    metadata->erase("managedFields");
  }
  const std::size_t size = sent.dump(-1, ' ', false, json::error_handler_t::replace).size();
  if (size > kMaxObjectBytes) {
    admission.refuse(Rule::kObjectSize,
                     sentence("metadata", "a Workspace of at most 128 KiB as JSON",
                              std::to_string(size >> 10) + " KiB",
                              "shorten the annotations or the list of URLs"));
  }
}

void check_goal(const json& object, const Workspace& workspace, const ValidationOptions& options,
                Admission& admission) {
  if (workspace.tuning.has_value() == workspace.inference) {
    admission.refuse(Rule::kOneGoal, sentence("tuning, inference", "exactly one of them",
                                              workspace.inference ? "both" : "neither",
                                              "a Workspace either tunes a model or serves one"));
  } else if (workspace.tuning) {
    check_tuning(object, *workspace.tuning, options, admission);
  } else {
    check_inference(object, options, admission);
  }
}

}  // namespace

std::string Admission::text() const {
  std::string text;
  for (const auto& violation : violations) {
    text += (text.empty() ? "" : "; ") + violation.text;
  }
  return text;
}

Admission validate_workspace(const json& object, const ValidationOptions& options) {
  Admission admission;
  const auto workspace = read_workspace(object);
  if (!workspace) {
    admission.refuse(is_workspace(object) ? Rule::kFieldType : Rule::kKind,
                     workspace.error().message);
    return admission;
  }
  check_size(object, admission);
  if (object.contains("spec")) {
    admission.refuse(Rule::kNoSpec, sentence("spec", "no such member", "one",
                                             "write resource and tuning at the top level"));
  }
  warn_of_unknown(
      object, "",
      {"apiVersion", "kind", "metadata", "resource", "tuning", "inference", "status", "spec"},
      admission);
  check_metadata(object, workspace->metadata, admission);
  check_resource(object, *workspace, options, admission);
  check_goal(object, *workspace, options, admission);
  return admission;
}

Admission validate_update(const json& before, const json& after, const ValidationOptions& options) {
  if (!member_of(member_of(after, "metadata"), "deletionTimestamp").is_null()) {
    return {};
  }
  Admission admission = validate_workspace(after, options);
  check_immutable(before, after, options, admission);
  return admission;
}

Admission validate_config_map(const json& object) {
  Admission admission;
  const std::string name = key_of(object).name;
  if (!is_config_map(object)) {
    admission.refuse(Rule::kConfigMapKind, sentence("apiVersion, kind", "'v1' and 'ConfigMap'",
                                                    in_quotes(key_of(object).api_version) +
                                                        " and " + in_quotes(kind_of(object)),
                                                    "write apiVersion: v1 and kind: ConfigMap"));
  } else if (!is_dns_subdomain(name)) {
    admission.refuse(Rule::kConfigMapName,
                     sentence("metadata.name", "a DNS-1123 subdomain", in_quotes(name),
                              "use lower-case letters, digits, '-' and '.'"));
  } else if (member_of(member_of(object, "data"), kTrainingConfigKey).is_null()) {
    admission.warnings.push_back("the ConfigMap '" + name + "' has no key training_config.yaml");
  } else if (const auto text = training_config_of(object); !text) {
    admission.refuse(Rule::kConfigMapTrainingConfig, text.error().message);
  } else if (const auto config = read_training_config(*text, events::v1::TUNING_METHOD_UNSPECIFIED);
             !config) {
    admission.refuse(Rule::kConfigMapTrainingConfig, config.error().message);
  }
  return admission;
}

Result<std::string> training_config_of(const json& config_map) {
  constexpr std::size_t kMaxBytes = 64u << 10;  // it travels inside an event
  const json& text = member_of(member_of(config_map, "data"), kTrainingConfigKey);
  const std::string name = key_of(config_map).name;
  if (!text.is_string()) {
    return permanent("TrainingConfigMissing",
                     "data: expected text under training_config.yaml, as "
                     "tuning.config wants it, found " +
                         shown(text) + " in the ConfigMap " + in_quotes(name));
  }
  if (text.get_ref<const std::string&>().size() > kMaxBytes) {
    return permanent("TrainingConfigInvalid",
                     sentence("data.training_config.yaml", "at most 64 KiB",
                              std::to_string(text.get_ref<const std::string&>().size()) + " bytes",
                              "shorten it in the ConfigMap " + in_quotes(name)));
  }
  return text.get<std::string>();
}

}  // namespace tunesmith::workspace
