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

// Quoted and cut to a readable length.
std::string in_quotes(std::string_view text);

// Lower-case letters, digits and '-', at most 63, as RFC 1123 has labels; with dots: each part
// such, at most 253.
bool is_dns_label(std::string_view text);
bool is_dns_subdomain(std::string_view text);

// Warns of members that the API does not have (Kubernetes would drop them), with the nearest that
// it has.
void warn_of_unknown(const nlohmann::json& object, const std::string& path,
                     const std::vector<std::string>& known, Admission& admission);

void check_resource(const nlohmann::json& object, const Workspace& workspace,
                    const ValidationOptions& options, Admission& admission);
void check_tuning(const nlohmann::json& object, const Tuning& tuning,
                  const ValidationOptions& options, Admission& admission);
void check_inference(const nlohmann::json& object, const ValidationOptions& options,
                     Admission& admission);

}  // namespace tunesmith::workspace
