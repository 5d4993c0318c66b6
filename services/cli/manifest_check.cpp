#include "cli/manifest_check.h"

#include <nlohmann/json.hpp>

#include "cli/json_view.h"
#include "planner/request.h"
#include "workspace/workspace.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

void add_violations(const workspace::Admission& admission, CheckedDocument& checked) {
  for (const workspace::Violation& violation : admission.violations) {
    checked.errors.push_back(violation.text);
  }
}

void check_workspace(const Document& document, const Documents& documents,
                     const workspace::ValidationOptions& options, CheckedDocument& checked) {
  const auto admission = workspace::validate_workspace(document.object, options);
  add_violations(admission, checked);
  checked.warnings = admission.warnings;
  if (!admission.admitted()) return;
  const std::string config = text_at(document.object, "/tuning/config");
  const Document* config_map = config_map_of(document, documents);
  if (!config.empty() && config_map == nullptr) {
    checked.warnings.push_back("the ConfigMap '" + config +
                               "' of tuning.config is not among these manifests, so it was not "
                               "looked at");
  }
  auto observed = observed_of(document.object, config_map ? &config_map->object : nullptr);
  if (config_map == nullptr) observed.clear_training_config_problem();
  const auto request = planner::read_request(observed, options);
  if (!request) {
    checked.errors.push_back(request.error().reason + ": " + request.error().message);
  }
}

}  // namespace

const Document* config_map_of(const Document& workspace, const Documents& documents) {
  const std::string name = text_at(workspace.object, "/tuning/config");
  for (const Document& one : documents.documents) {
    const bool is_it =
        one.kind == Kind::kConfigMap && one.name == name && one.name_space == workspace.name_space;
    if (is_it && !name.empty()) return &one;
  }
  return nullptr;
}

events::v1::WorkspaceObserved observed_of(const json& object, const json* config_map) {
  events::v1::WorkspaceObserved observed;
  observed.mutable_workspace()->set_name(text_at(object, "/metadata/name"));
  observed.mutable_workspace()->set_namespace_(text_at(object, "/metadata/namespace"));
  observed.mutable_workspace()->set_uid(text_at(object, "/metadata/uid"));
  observed.mutable_workspace()->set_generation(integer_at(object, "/metadata/generation"));
  observed.set_manifest_json(object.dump(-1, ' ', false, json::error_handler_t::replace));
  const std::string name = text_at(object, "/tuning/config");
  if (name.empty()) return observed;
  if (config_map == nullptr) {
    observed.set_training_config_problem(
        "the ConfigMap '" + name +
        "' of tuning.config does not exist: apply it, or give it with "
        "the same command");
    return observed;
  }
  const auto text = workspace::training_config_of(*config_map);
  if (text) {
    observed.set_training_config_yaml(*text);
  } else {
    observed.set_training_config_problem(text.error().message);
  }
  return observed;
}

std::vector<CheckedDocument> check_documents(const Documents& documents,
                                             const workspace::ValidationOptions& options) {
  std::vector<CheckedDocument> all;
  for (const Document& document : documents.documents) {
    const bool is_workspace = document.kind == Kind::kWorkspace;
    CheckedDocument checked{document.where,
                            is_workspace ? "Workspace" : "ConfigMap",
                            document.name_space,
                            document.name,
                            {},
                            {}};
    if (is_workspace) {
      check_workspace(document, documents, options, checked);
    } else {
      const auto admission = workspace::validate_config_map(document.object);
      add_violations(admission, checked);
      checked.warnings = admission.warnings;
    }
    all.push_back(std::move(checked));
  }
  for (const DocumentProblem& problem : documents.problems) {
    all.push_back({problem.where, "", "", "", {problem.failure.message}, {}});
  }
  return all;
}

json checks_json(const std::vector<CheckedDocument>& checked) {
  json all = json::array();
  for (const CheckedDocument& one : checked) {
    all.push_back({{"where", one.where},
                   {"kind", one.kind},
                   {"namespace", one.name_space},
                   {"name", one.name},
                   {"valid", one.errors.empty()},
                   {"errors", one.errors},
                   {"warnings", one.warnings}});
  }
  return all;
}

}  // namespace tunesmith::cli
