// YAML text with several documents → Kubernetes objects as JSON, bounded against hostile input.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::workspace {

struct YamlLimits {
  std::size_t max_bytes = 1u << 20;
  std::size_t max_depth = 64;
  // Of all documents, after aliases were expanded.
  std::size_t max_nodes = 20'000;
  std::size_t max_text_bytes = 4u << 20;
};

// All documents in order, empty ones left out; JSON is YAML too. Scalars follow YAML 1.2's core
// schema as Kubernetes does: plain true/false, integers, floats and null are typed, quoted scalars
// are text. Permanent `ManifestInvalid` with line and column: text that is no YAML, a duplicate
// key, a key that is no text, a bound exceeded, or a document that is no mapping.
Result<std::vector<nlohmann::json>> parse_documents(std::string_view text,
                                                    const YamlLimits& limits = {});

// One document of any shape (null for an empty text).
Result<nlohmann::json> parse_value(std::string_view text, const YamlLimits& limits = {});

// What an object says it is. Members that are missing or no text are empty.
struct ObjectKey {
  std::string api_version, kind, name_space, name;  // name_space is "default" when none is written
};
ObjectKey key_of(const nlohmann::json& object);
std::string kind_of(const nlohmann::json& object);

// True for kaito.sh/v1alpha1 and kaito.sh/v1beta1, kind Workspace.
bool is_workspace(const nlohmann::json& object);
// True for v1, kind ConfigMap.
bool is_config_map(const nlohmann::json& object);

}  // namespace tunesmith::workspace
