// What is wrong with manifests, told without asking anybody. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/manifest_input.h"
#include "tunesmith/events/v1/workspace.pb.h"
#include "workspace/validate.h"

namespace tunesmith::cli {

struct CheckedDocument {
  std::string where, kind, name_space, name;
  std::vector<std::string> errors, warnings;
};

// The rules of admission, and what the planner refuses without asking: presets, training
// configuration, inputs and outputs. A ConfigMap that a Workspace names is looked for among the
// documents only.
std::vector<CheckedDocument> check_documents(const Documents& documents,
                                             const workspace::ValidationOptions& options);

// An array of {"where", "kind", "namespace", "name", "valid", "errors", "warnings"}.
nlohmann::json checks_json(const std::vector<CheckedDocument>& checked);

// What the watcher would announce of a manifest; `config_map` is nullptr when there is none.
events::v1::WorkspaceObserved observed_of(const nlohmann::json& workspace,
                                          const nlohmann::json* config_map);
// The ConfigMap that this Workspace names, among the documents.
const Document* config_map_of(const Document& workspace, const Documents& documents);

}  // namespace tunesmith::cli
