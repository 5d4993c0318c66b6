// The admission rules that data sources and destinations share: volumes, images, secrets.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "workspace/image_reference.h"
#include "workspace/rules.h"
#include "workspace/spelling.h"
#include "workspace/url_guard.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

// The members of a Kubernetes VolumeSource (core/v1).
const std::vector<std::string>& volume_kinds() {
  static const std::vector<std::string> kinds{"hostPath",
                                              "emptyDir",
                                              "persistentVolumeClaim",
                                              "configMap",
                                              "secret",
                                              "projected",
                                              "downwardAPI",
                                              "ephemeral",
                                              "csi",
                                              "nfs",
                                              "image",
                                              "azureDisk",
                                              "azureFile",
                                              "cephfs",
                                              "cinder",
                                              "fc",
                                              "flexVolume",
                                              "flocker",
                                              "gitRepo",
                                              "glusterfs",
                                              "gcePersistentDisk",
                                              "iscsi",
                                              "photonPersistentDisk",
                                              "portworxVolume",
                                              "quobyte",
                                              "rbd",
                                              "scaleIO",
                                              "storageos",
                                              "vsphereVolume",
                                              "awsElasticBlockStore"};
  return kinds;
}

void check_host_path(const json& host_path, const std::string& where,
                     const ValidationOptions& options, Admission& admission) {
  const json& path = typed_member(host_path, where, "path", JsonKind::kText, admission);
  if (path.is_null() && !member_of(host_path, "path").is_null()) {
    return;  // told already
  }
  const std::string text = path.is_string() ? path.get<std::string>() : "";
  if (!is_plain_absolute(text)) {
    admission.refuse(Rule::kVolumeHostPath,
                     sentence(where + ".path", "an absolute path without '..'", shown(path),
                              "write the folder's whole path"));
  } else if (!is_inside(text, options.allowed_host_paths)) {
    admission.refuse(
        Rule::kVolumeHostPath,
        sentence(where + ".path", "a folder that the operator allows", in_quotes(text),
                 "the operator can allow folders of the machine by name (allowed_host_paths)"));
  }
}

}  // namespace

void check_volume(const json& holder, const std::string& path, const ValidationOptions& options,
                  Admission& admission) {
  const std::string where = path + ".volumeSource";
  const json& volume = member_of(holder, "volumeSource");
  if (!volume.is_object()) {
    return;
  }
  std::vector<std::string> kinds;
  for (const auto& [name, value] : volume.items()) {
    if (!value.is_null()) {
      kinds.push_back(name);
    }
  }
  if (kinds.size() != 1) {
    admission.refuse(Rule::kVolumeKind,
                     sentence(where, "exactly one kind of volume", std::to_string(kinds.size()),
                              "name one, e.g. hostPath or persistentVolumeClaim"));
    return;
  }
  const auto& known = volume_kinds();
  const json& value = volume[kinds.front()];
  if (std::find(known.begin(), known.end(), kinds.front()) == known.end()) {
    admission.refuse(Rule::kVolumeKind, fmt::format("{}: expected a kind of volume that Kubernetes "
                                                    "has, found {}{}",
                                                    where, in_quotes(kinds.front()),
                                                    suggestion(kinds.front(), known)));
  } else if (!value.is_object()) {
    admission.refuse(Rule::kFieldType,
                     sentence(where + "." + kinds.front(), "a mapping", shown(value),
                              "write its members, e.g. hostPath: {path: /data}"));
  } else if (kinds.front() == "hostPath") {
    check_host_path(value, where + ".hostPath", options, admission);
  }
}

void check_image(const std::string& reference, const std::string& path, Rule rule,
                 Admission& admission) {
  if (const auto image = parse_image_reference(reference); !image) {
    admission.refuse(rule, path + ": " + image.error().message);
  }
}

void check_pull_secrets(const json& holder, const std::string& path, Admission& admission) {
  const json& names = typed_member(holder, path, "imagePullSecrets", JsonKind::kList, admission);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string where = fmt::format("{}.imagePullSecrets", path);
    if (!names[i].is_string()) {
      admission.refuse(Rule::kFieldType, sentence(where, "a list of text", shown(names[i]),
                                                  "write the names of Secrets alone"));
    } else if (!is_dns_subdomain(names[i].get_ref<const std::string&>())) {
      admission.refuse(Rule::kPullSecrets,
                       sentence(fmt::format("{}[{}]", where, i), "the name of a Secret",
                                shown(names[i]), "use lower-case letters, digits, '-' and '.'"));
    }
  }
}

}  // namespace tunesmith::workspace
