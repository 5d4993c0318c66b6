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
  const json& expressions = member_of(member_of(resource, "labelSelector"), "matchExpressions");
  if (read.match_labels.empty() || (!expressions.is_null() && !expressions.empty())) {
    admission.refuse(
        Rule::kSelectorPresent,
        sentence("resource.labelSelector", "matchLabels only, with at least one label",
                 read.match_labels.empty() ? "no label" : "matchExpressions",
                 "they become labels of the nodes, e.g. matchLabels: {app: my-tuning}"));
    return;
  }
  bool own_label = false;
  for (const auto& [key, value] : read.match_labels) {
    own_label = own_label || !is_reserved(key);
    if (!is_label_key(key) || (!value.empty() && !is_label_name(value))) {
      admission.refuse(Rule::kSelectorLabels,
                       sentence("resource.labelSelector.matchLabels", "labels of nodes",
                                in_quotes(fmt::format("{}: {}", key, value)),
                                "use at most 63 letters, digits, '-', '_' and '.', a letter or "
                                "digit at both ends"));
    }
  }
  if (!own_label) {
    admission.refuse(
        Rule::kSelectorOwnLabel,
        sentence("resource.labelSelector.matchLabels", "at least one label of your own",
                 "only reserved ones", "add one, e.g. app: my-tuning"));
  }
}

void check_bought_type(const std::string& name, const ValidationOptions& options,
                       Admission& admission) {
  const std::string where = "resource.instanceType";
  const InstanceType* type = find_instance_type(name);
  if (name.empty()) {
    admission.refuse(
        Rule::kInstanceTypePresent,
        sentence(where, "an instance type", "none", "name one, e.g. Standard_NC24ads_A100_v4"));
  } else if (type == nullptr) {
    admission.refuse(Rule::kInstanceTypeKnown,
                     fmt::format("{}: expected a known instance type, found {}{}", where,
                                 in_quotes(name), suggestion(name, instance_type_names())));
  } else if (type->retired && !options.replace_retired_instances) {
    admission.refuse(Rule::kInstanceTypeRetired,
                     sentence(where, "an instance type that can be bought", in_quotes(name),
                              "it is retired and cannot run CUDA 13, choose another"));
  } else if (type->retired) {
    admission.warnings.push_back("resource.instanceType " + in_quotes(name) +
                                 " is retired, the cheapest fitting type replaces it");
  }
}

void check_instance_type(const Workspace& workspace, const ValidationOptions& options,
                         Admission& admission) {
  const std::string& name = workspace.resource.instance_type;
  if (options.nodes == NodeSource::kProvisioned) {
    check_bought_type(name, options, admission);
    return;
  }
  // The default of v1alpha1 is nobody's wish (a stored object holds it without saying whose it is).
  const bool filled_in =
      workspace.api_version == "kaito.sh/v1alpha1" && name == kDefaultInstanceType;
  if (!name.empty() && !filled_in) {
    admission.warnings.push_back("resource.instanceType " + in_quotes(name) + " is ignored: " +
                                 (options.nodes == NodeSource::kLocal ? "this machine does the work"
                                                                      : "your own nodes are used"));
  }
}

void check_preferred_nodes(const Resource& read, const ValidationOptions& options,
                           Admission& admission) {
  for (std::size_t i = 0; i < read.preferred_nodes.size(); ++i) {
    if (!is_dns_subdomain(read.preferred_nodes[i])) {
      admission.refuse(
          Rule::kPreferredNodes,
          sentence(fmt::format("resource.preferredNodes[{}]", i), "a node's name",
                   in_quotes(read.preferred_nodes[i]), "see kubectl get nodes, or leave it out"));
    }
  }
  if (!read.preferred_nodes.empty() && options.nodes != NodeSource::kOwn) {
    admission.warnings.emplace_back(
        "resource.preferredNodes is ignored: it chooses among your own nodes");
  }
}

void check_partition_shape(const json& partition, Admission& admission) {
  const json& mode = member_of(partition, "mode");
  const json& profile = member_of(partition, "profile");
  const json& count = member_of(partition, "count");
  const std::string where = "resource.partition";
  if (mode != "mig" && mode != "accelerator") {
    admission.refuse(Rule::kPartitionShape, sentence(where + ".mode", "mig or accelerator",
                                                     shown(mode), "say how GPUs are divided"));
  }
  if (!(profile.is_null() && mode != "mig") &&
      (!profile.is_string() || profile.get_ref<const std::string&>().empty())) {
    admission.refuse(Rule::kPartitionShape, sentence(where + ".profile", "a profile's name",
                                                     shown(profile), "write e.g. 1g.10gb"));
  }
  if (!count.is_null() && !(count.is_number_integer() && count >= 1)) {
    admission.refuse(Rule::kPartitionShape, sentence(where + ".count", "a whole number from 1",
                                                     shown(count), "leave it out for 1"));
  }
}

void check_partition(const json& resource, const Workspace& workspace,
                     const ValidationOptions& options, Admission& admission) {
  const json& partition =
      typed_member(resource, "resource", "partition", JsonKind::kMapping, admission);
  if (partition.is_null()) {
    return;
  }
  warn_of_unknown(partition, "resource.partition", {"mode", "profile", "count"}, admission);
  if (workspace.tuning) {
    admission.refuse(Rule::kPartitionGoal,
                     sentence("resource.partition", "none with tuning", "one",
                              "only inference runs on a part of a GPU, leave it out"));
    return;
  }
  if (options.nodes != NodeSource::kOwn) {
    admission.refuse(Rule::kPartitionNodes,
                     sentence("resource.partition", "none with nodes that are not your own", "one",
                              "only your own nodes are divided, leave it out"));
  }
  check_partition_shape(partition, admission);
}

}  // namespace

void check_resource(const json& object, const Workspace& workspace,
                    const ValidationOptions& options, Admission& admission) {
  const json& resource = member_of(object, "resource");
  if (resource.is_null()) {
    admission.refuse(Rule::kResourcePresent,
                     sentence("resource", "a mapping", "none",
                              "write labelSelector (and instanceType) under it"));
    return;
  }
  warn_of_unknown(resource, "resource",
                  {"count", "instanceType", "labelSelector", "preferredNodes", "partition"},
                  admission);
  if (workspace.resource.count < 1 || workspace.resource.count > 1000) {
    admission.refuse(Rule::kResourceCount,
                     sentence("resource.count", "1 to 1000 nodes",
                              std::to_string(workspace.resource.count), "leave it out for 1"));
  } else if (workspace.resource.count > 1 && options.nodes == NodeSource::kLocal) {
    admission.warnings.emplace_back("resource.count is ignored: this machine does the work");
  }
  check_partition(resource, workspace, options, admission);
  check_selector(resource, workspace.resource, admission);
  check_preferred_nodes(workspace.resource, options, admission);
  check_instance_type(workspace, options, admission);
}

}  // namespace tunesmith::workspace
