// Shared by the files of the admission rules; not for other folders.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "workspace/validate.h"
#include "workspace/workspace.h"

namespace tunesmith::workspace {

// The member, or null when `object` is no mapping or has none.
const nlohmann::json& member_of(const nlohmann::json& object, const char* name);

enum class JsonKind { kMapping, kList, kText };
// The member, or null when it is absent or has another type; the latter breaks kFieldType.
const nlohmann::json& typed_member(const nlohmann::json& object, const std::string& path,
                                   const char* name, JsonKind kind, Admission& admission);

// Quoted and cut to a readable length.
std::string in_quotes(std::string_view text);
// Text in quotes, other values as JSON without; cut likewise; "none" for null.
std::string shown(const nlohmann::json& value);

// "where: expected …, found …; advice".
std::string sentence(const std::string& where, const std::string& expected,
                     const std::string& found, const std::string& advice);

// Lower-case letters, digits and '-', at most 63, as RFC 1123 has labels; with dots: each part
// such, at most 253.
bool is_dns_label(std::string_view text);
bool is_dns_subdomain(std::string_view text);

// Warns of members that the API does not have (Kubernetes would drop them), with the nearest that
// it has.
void warn_of_unknown(const nlohmann::json& object, const std::string& path,
                     const std::vector<std::string>& known, Admission& admission);

void check_metadata(const nlohmann::json& object, const Metadata& metadata, Admission& admission);
void check_resource(const nlohmann::json& object, const Workspace& workspace,
                    const ValidationOptions& options, Admission& admission);
void check_tuning(const nlohmann::json& object, const Tuning& tuning,
                  const ValidationOptions& options, Admission& admission);
void check_inference(const nlohmann::json& object, const ValidationOptions& options,
                     Admission& admission);
// The presets of tuning and inference; `path` is one of these words.
void check_preset(const nlohmann::json& holder, const std::string& path,
                  const ValidationOptions& options, Admission& admission);

// What a DataSource and a DataDestination have in common.
void check_volume(const nlohmann::json& holder, const std::string& path,
                  const ValidationOptions& options, Admission& admission);
void check_image(const std::string& reference, const std::string& path, Rule rule,
                 Admission& admission);
// imagePullSecrets of `holder`: names of Secrets.
void check_pull_secrets(const nlohmann::json& holder, const std::string& path,
                        Admission& admission);

// What may not change; both read with their defaults.
void check_immutable(const nlohmann::json& before, const nlohmann::json& after,
                     const ValidationOptions& options, Admission& admission);

}  // namespace tunesmith::workspace
