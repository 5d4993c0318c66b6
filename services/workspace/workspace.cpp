#include "workspace/workspace.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "runtime/sha256.h"
#include "workspace/documents.h"
#include "workspace/rules.h"
#include "workspace/spelling.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

// Reads typed members and remembers the first that has another type.
class Reader {
 public:
  // The member, or null when it is absent or null.
  const json& member(const json& object, const std::string& path) {
    static const json kNull;
    const std::string name = path.substr(path.rfind('.') + 1);
    if (!object.is_object()) {
      return kNull;
    }
    const auto found = object.find(name);
    return found == object.end() ? kNull : *found;
  }
  const json& object(const json& parent, const std::string& path) {
    const json& value = member(parent, path);
    expect(value.is_null() || value.is_object(), path, "a mapping", value);
    return value;
  }
  std::string text(const json& parent, const std::string& path) {
    const json& value = member(parent, path);
    expect(value.is_null() || value.is_string(), path, "text (quote it)", value);
    return value.is_string() ? value.get<std::string>() : std::string();
  }
  std::int64_t integer(const json& parent, const std::string& path, std::int64_t fallback) {
    const json& value = member(parent, path);
    expect(value.is_null() || value.is_number_integer(), path, "a whole number", value);
    return value.is_number_integer() ? value.get<std::int64_t>() : fallback;
  }
  std::vector<std::string> texts(const json& parent, const std::string& path) {
    const json& value = member(parent, path);
    expect(value.is_null() || value.is_array(), path, "a list", value);
    std::vector<std::string> result;
    for (const auto& item : value.is_array() ? value : json::array()) {
      expect(item.is_string(), path, "a list of text", item);
      if (item.is_string()) {
        result.push_back(item.get<std::string>());
      }
    }
    return result;
  }
  std::map<std::string, std::string> text_map(const json& parent, const std::string& path) {
    const json& value = object(parent, path);
    std::map<std::string, std::string> result;
    if (value.is_object()) {
      for (const auto& [name, item] : value.items()) {
        expect(item.is_string(), fmt::format("{}.{}", path, name), "text (quote it)", item);
        result[name] = item.is_string() ? item.get<std::string>() : std::string();
      }
    }
    return result;
  }
  const std::string& problem() const { return problem_; }

 private:
  void expect(bool holds, const std::string& path, const std::string& what, const json& found) {
    if (!holds && problem_.empty()) {
      problem_ = path + ": expected " + what + ", found " + shown(found);
    }
  }
  std::string problem_;
};

events::v1::TuningMethod method_of(const std::string& text) {
  const std::string word = lower(text);
  return word == "lora"    ? events::v1::TUNING_METHOD_LORA
         : word == "qlora" ? events::v1::TUNING_METHOD_QLORA
                           : events::v1::TUNING_METHOD_UNSPECIFIED;
}

Metadata read_metadata(Reader& read, const json& object) {
  const json& from = read.object(object, "metadata");
  Metadata metadata;
  metadata.name = read.text(from, "metadata.name");
  metadata.name_space = read.text(from, "metadata.namespace");
  metadata.uid = read.text(from, "metadata.uid");
  metadata.generation = read.integer(from, "metadata.generation", 0);
  metadata.labels = read.text_map(from, "metadata.labels");
  metadata.annotations = read.text_map(from, "metadata.annotations");
  metadata.deleting = !read.text(from, "metadata.deletionTimestamp").empty();
  return metadata;
}

Resource read_resource(Reader& read, const json& object) {
  const json& from = read.object(object, "resource");
  Resource resource;
  resource.count = read.integer(from, "resource.count", 1);
  resource.instance_type = read.text(from, "resource.instanceType");
  resource.preferred_nodes = read.texts(from, "resource.preferredNodes");
  resource.match_labels = read.text_map(read.object(from, "resource.labelSelector"),
                                        "resource.labelSelector.matchLabels");
  return resource;
}

// The kind of a volume, and its path when that is hostPath.
template <typename End>
void read_volume(Reader& read, const json& holder, const std::string& path, End& end) {
  const json& volume = read.object(holder, path + ".volumeSource");
  end.volume = !volume.is_null();
  for (auto kind = volume.begin(); volume.is_object() && kind != volume.end(); ++kind) {
    if (!kind.value().is_null() && end.volume_kind.empty()) {
      end.volume_kind = kind.key();
    }
  }
  end.host_path = read.text(read.object(volume, path + ".volumeSource.hostPath"),
                            path + ".volumeSource.hostPath.path");
}

Tuning read_tuning(Reader& read, const json& from) {
  Tuning tuning;
  const json& preset = read.object(from, "tuning.preset");
  tuning.preset = read.text(preset, "tuning.preset.name");
  tuning.model_access_secret = read.text(read.object(preset, "tuning.preset.presetOptions"),
                                         "tuning.preset.presetOptions.modelAccessSecret");
  tuning.method = method_of(read.text(from, "tuning.method"));
  tuning.config = read.text(from, "tuning.config");
  const json& input = read.object(from, "tuning.input");
  tuning.input = {read.text(input, "tuning.input.name"), read.texts(input, "tuning.input.urls"),
                  read.text(input, "tuning.input.image")};
  tuning.input.image_pull_secrets = read.texts(input, "tuning.input.imagePullSecrets");
  read_volume(read, input, "tuning.input", tuning.input);
  const json& output = read.object(from, "tuning.output");
  tuning.output = {read.text(output, "tuning.output.image"),
                   read.text(output, "tuning.output.imagePushSecret")};
  read_volume(read, output, "tuning.output", tuning.output);
  return tuning;
}

json annotations_of(const json& object) {
  const json metadata = object.is_object() ? object.value("metadata", json()) : json();
  const json annotations = metadata.is_object() ? metadata.value("annotations", json()) : json();
  return annotations.is_object() ? annotations : json::object();
}

void default_member(json& object, const char* name, json value) {
  if (!object.contains(name) || object[name].is_null()) {
    object[name] = std::move(value);
  }
}

// An absent member, null and an empty mapping are the same to Kubernetes.
json meaning(const json& object, const char* name) {
  const json value = object.is_object() ? object.value(name, json()) : json();
  return value.is_object() && value.empty() ? json() : value;
}

}  // namespace

Result<Workspace> read_workspace(const json& given) {
  if (!is_workspace(given)) {
    return permanent("WorkspaceInvalid",
                     "apiVersion, kind: expected kaito.sh/v1alpha1 or kaito.sh/v1beta1 and "
                     "Workspace, found " +
                         in_quotes(key_of(given).api_version) + " and " +
                         in_quotes(kind_of(given)));
  }
  const json object = with_defaults(given);
  Reader read;
  Workspace workspace;
  workspace.api_version = key_of(object).api_version;
  workspace.metadata = read_metadata(read, object);
  workspace.resource = read_resource(read, object);
  if (const json& tuning = read.object(object, "tuning"); !tuning.is_null()) {
    workspace.tuning = read_tuning(read, tuning);
    const auto annotation = [&](const char* name) {
      const auto found = workspace.metadata.annotations.find(name);
      return found == workspace.metadata.annotations.end() ? std::string() : found->second;
    };
    workspace.tuning->output.replace_tag = annotation(kReplaceTagAnnotation) == "true";
    workspace.tuning->data_secret = annotation(kDataSecretAnnotation);
  }
  workspace.inference = !read.object(object, "inference").is_null();
  if (!read.problem().empty()) {
    return permanent("WorkspaceInvalid", read.problem());
  }
  return workspace;
}

json with_defaults(json object) {
  if (!object.is_object()) {
    return object;
  }
  default_member(object, "metadata", json::object());
  if (object["metadata"].is_object()) {
    default_member(object["metadata"], "namespace", "default");
  }
  if (const auto resource = object.find("resource");
      resource != object.end() && resource->is_object()) {
    default_member(*resource, "count", 1);
    if (key_of(object).api_version == "kaito.sh/v1alpha1") {
      default_member(*resource, "instanceType", kDefaultInstanceType);
    }
  }
  for (const char* part : {"tuning", "inference"}) {
    if (!object.contains(part) || !object[part].is_object()) {
      continue;
    }
    if (auto preset = object[part].find("preset");
        preset != object[part].end() && preset->is_object()) {
      default_member(*preset, "accessMode", "public");
    }
  }
  return object;
}

bool spec_equal(const json& a, const json& b) {
  const json left = with_defaults(a);
  const json right = with_defaults(b);
  for (const char* part : {"resource", "tuning", "inference"}) {
    if (meaning(left, part) != meaning(right, part)) {
      return false;
    }
  }
  return true;
}

std::string annotations_hash(const json& object) {
  std::string canonical;
  const json annotations = annotations_of(object);
  for (const auto& [name, value] : annotations.items()) {  // nlohmann sorts the keys
    if (name.starts_with(kAnnotationPrefix)) {
      canonical += json(name).dump() + ":" + value.dump() + "\n";
    }
  }
  return sha256_hex(canonical);
}

bool is_suspended(const json& object) {
  const json annotations = annotations_of(object);
  const auto found = annotations.find(std::string(kAnnotationPrefix) + "suspend");
  return found != annotations.end() && *found == "true";
}

}  // namespace tunesmith::workspace
