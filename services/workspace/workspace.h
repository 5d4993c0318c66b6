// The Workspace as a value: what the services read of the object.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::workspace {

// The key of a ConfigMap that holds the training configuration.
inline constexpr const char* kTrainingConfigKey = "training_config.yaml";
inline constexpr const char* kAnnotationPrefix = "tunesmith.dev/";
// "true": an output that holds another tuning's adapter, or somebody else's, may be overwritten.
inline constexpr const char* kReplaceTagAnnotation = "tunesmith.dev/replace-tag";
// Names the secret that authorises the download of tuning.input.urls.
inline constexpr const char* kDataSecretAnnotation = "tunesmith.dev/data-secret";

struct Metadata {
  std::string name, name_space, uid;
  std::int64_t generation = 0;
  std::map<std::string, std::string> labels, annotations;
  bool deleting = false;  // has a deletionTimestamp
};

struct Resource {
  std::int64_t count = 1;
  std::string instance_type;  // empty = none written
  std::map<std::string, std::string> match_labels;
  std::vector<std::string> preferred_nodes;
};

struct DataSource {
  std::string name;
  std::vector<std::string> urls;
  std::string image;
  bool volume = false;
  std::vector<std::string> image_pull_secrets{};  // names, in the user's order
  std::string volume_kind{}, host_path{};         // "hostPath" and its path; empty without volume
};

struct DataDestination {
  std::string image, image_push_secret;
  bool volume = false;
  std::string volume_kind{}, host_path{};
  bool replace_tag = false;  // kReplaceTagAnnotation is "true"
};

struct Tuning {
  std::string preset;               // as the user wrote it
  std::string model_access_secret;  // preset.presetOptions.modelAccessSecret, empty = none
  std::string data_secret;          // kDataSecretAnnotation, empty = none
  events::v1::TuningMethod method = events::v1::TUNING_METHOD_UNSPECIFIED;
  std::string config;  // name of a ConfigMap, empty = the defaults
  DataSource input;
  DataDestination output;
};

struct Workspace {
  std::string api_version;
  Metadata metadata;
  Resource resource;
  std::optional<Tuning> tuning;
  bool inference = false;
};

// Reads an object, defaults applied. Permanent `WorkspaceInvalid` when a field has the wrong type;
// the admission rules are validate.h's.
Result<Workspace> read_workspace(const nlohmann::json& object);

inline constexpr const char* kDefaultInstanceType = "Standard_NC24ads_A100_v4";

// The object with the API's defaults written in: metadata.namespace "default", resource.count 1,
// v1alpha1's instanceType kDefaultInstanceType, preset accessMode "public". Idempotent.
nlohmann::json with_defaults(nlohmann::json object);

// True when resource, tuning and inference mean the same, defaults applied: an apply that changes
// nothing keeps the generation.
bool spec_equal(const nlohmann::json& a, const nlohmann::json& b);

// Lower-case hex SHA-256 over our own annotations (`tunesmith.dev/…`) in key order; the same for
// none as for an absent map.
std::string annotations_hash(const nlohmann::json& object);

// `tunesmith.dev/suspend: "true"`.
bool is_suspended(const nlohmann::json& object);

}  // namespace tunesmith::workspace
