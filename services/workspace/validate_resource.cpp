// The admission rules of the member resource.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "workspace/instance_types.h"
#include "workspace/rules.h"
#include "workspace/spelling.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

bool is_label_name(std::string_view name) {
  return !name.empty() && name.size() <= 63 &&
         std::isalnum(static_cast<unsigned char>(name.front())) != 0 &&
         std::isalnum(static_cast<unsigned char>(name.back())) != 0 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ||
                  c == '.';
         });
}

bool is_label_key(std::string_view key) {
  const auto slash = key.find('/');
  return slash == std::string_view::npos
             ? is_label_name(key)
             : is_dns_subdomain(key.substr(0, slash)) && is_label_name(key.substr(slash + 1));
}

bool is_reserved(std::string_view key) {
  const auto domain = key.substr(0, std::min(key.find('/'), key.size()));
  if (domain.size() == key.size()) {
    return false;
  }
  return domain == "kubernetes.io" || domain.ends_with(".kubernetes.io") || domain == "k8s.io" ||
         domain.ends_with(".k8s.io") || domain == "kaito.sh" || domain.ends_with(".kaito.sh") ||
         domain == "karpenter.sh" || domain.ends_with(".karpenter.sh") ||
         domain.ends_with("tunesmith.dev");
}

void check_selector(const json& resource, const Resource& read, Admission& admission) {
  const json& selector = member_of(resource, "labelSelector");
  const json& expressions = member_of(selector, "matchExpressions");
  if (read.match_labels.empty() || (expressions.is_array() && !expressions.empty())) {
    admission.violations.emplace_back(
        "resource.labelSelector: expected matchLabels only, with at least one label, because they "
        "become labels of the nodes (e.g. matchLabels: {app: my-tuning})");
    return;
  }
  bool own_label = false;
  for (const auto& [key, value] : read.match_labels) {
    own_label = own_label || !is_reserved(key);
    if (!is_label_key(key) || (!value.empty() && !is_label_name(value))) {
      admission.violations.push_back(
          "resource.labelSelector.matchLabels: " + in_quotes(fmt::format("{}: {}", key, value)) +
          " cannot be a node label");
    }
  }
  if (!own_label) {
    admission.violations.emplace_back(
        "resource.labelSelector.matchLabels: expected at least one label of your own, found only "
        "reserved ones");
  }
}

void check_instance_type(const Workspace& workspace, const ValidationOptions& options,
                         Admission& admission) {
  const std::string& name = workspace.resource.instance_type;
  if (options.nodes != NodeSource::kProvisioned) {
    // The default of v1alpha1 is nobody's wish (a stored object holds it without saying whose it
    // is).
    const bool filled_in =
        workspace.api_version == "kaito.sh/v1alpha1" && name == kDefaultInstanceType;
    if (!name.empty() && !filled_in) {
      admission.warnings.push_back("resource.instanceType " + in_quotes(name) + " is ignored: " +
                                   (options.nodes == NodeSource::kLocal
                                        ? "this machine does the work"
                                        : "your own nodes are used"));
    }
    return;
  }
  if (name.empty()) {
    admission.violations.emplace_back(
        "resource.instanceType: expected an instance type such as Standard_NC24ads_A100_v4, found "
        "none");
    return;
  }
  const InstanceType* type = find_instance_type(name);
  if (type == nullptr) {
    admission.violations.push_back("resource.instanceType: " + in_quotes(name) +
                                   " is no known instance type" +
                                   suggestion(name, instance_type_names()));
  } else if (type->retired && !options.replace_retired_instances) {
    admission.violations.push_back("resource.instanceType: " + in_quotes(name) +
                                   " is retired and cannot run CUDA 13, choose another");
  } else if (type->retired) {
    admission.warnings.push_back("resource.instanceType " + in_quotes(name) +
                                 " is retired, the cheapest fitting type replaces it");
  }
}

}  // namespace

void check_resource(const json& object, const Workspace& workspace,
                    const ValidationOptions& options, Admission& admission) {
  const json& resource = member_of(object, "resource");
  if (resource.is_null()) {
    admission.violations.emplace_back(
        "resource: expected a mapping with labelSelector (and instanceType), found none");
    return;
  }
  warn_of_unknown(resource, "resource",
                  {"count", "instanceType", "labelSelector", "preferredNodes", "partition"},
                  admission);
  if (workspace.resource.count < 1 || workspace.resource.count > 1000) {
    admission.violations.push_back("resource.count: expected 1 to 1000 nodes, found " +
                                   std::to_string(workspace.resource.count));
  } else if (workspace.resource.count > 1 && options.nodes == NodeSource::kLocal) {
    admission.warnings.emplace_back("resource.count is ignored: this machine does the work");
  }
  if (workspace.tuning && !member_of(resource, "partition").is_null()) {
    admission.violations.emplace_back(
        "resource.partition: only inference runs on a part of a GPU, leave it out");
  }
  check_selector(resource, workspace.resource, admission);
  check_instance_type(workspace, options, admission);
}

}  // namespace tunesmith::workspace
