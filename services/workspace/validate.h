// The admission rules: one set for both API versions, for creates and updates, for webhook, planner
// and `tunesmith apply`.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"
#include "workspace/presets.h"
#include "workspace/rule.h"

namespace tunesmith::workspace {

enum class NodeSource {
  kProvisioned,  // instanceType is required and must be known
  kOwn,          // instanceType is ignored with a warning
  kLocal,        // this machine; instanceType is ignored with a warning
};

// What the operator decided.
struct ValidationOptions {
  NodeSource nodes = NodeSource::kLocal;
  std::set<std::string> allowed_data_hosts{};  // "host" or "host:port" that the URL guard lets
                                               // through (`allowedDataHosts`)
  // Absolute folders of the machine that works: what lies in them may be named by file:// URLs, and
  // by hostPath volumes (which are written to as well). Empty = none is admitted.
  std::vector<std::string> allowed_data_paths{}, allowed_host_paths{};
  bool replace_retired_instances = true;     // else a retired instanceType is refused
  bool serves_inference = false;             // else a Workspace with inference is refused
  const PresetCatalogue* presets = nullptr;  // null = built_in_presets()
};

struct Violation {
  Rule rule;
  std::string text;  // one sentence: where, expected, found, what to do
};

struct Admission {
  std::vector<Violation> violations;
  std::vector<std::string> warnings;  // admitted, but worth saying

  void refuse(Rule rule, std::string text) { violations.push_back({rule, std::move(text)}); }
  bool admitted() const { return violations.empty(); }
  std::string text() const;  // all violations in one text, joined by "; "
};

// A new object. Never throws on any JSON value.
Admission validate_workspace(const nlohmann::json& object, const ValidationOptions& options);

// A change of an object: all rules of a new one, plus what may not change. An object that is being
// deleted is always admitted.
Admission validate_update(const nlohmann::json& before, const nlohmann::json& after,
                          const ValidationOptions& options);

// A ConfigMap that carries a training configuration (without the key `training_config.yaml` it is
// nobody's business and admitted).
Admission validate_config_map(const nlohmann::json& object);

// The text under `training_config.yaml`; Permanent `TrainingConfigMissing` when the ConfigMap has
// none.
Result<std::string> training_config_of(const nlohmann::json& config_map);

}  // namespace tunesmith::workspace
