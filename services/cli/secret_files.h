// Secrets as files: what a secret's content becomes. Pure but for the folder's listing and writing.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::cli {

// A docker config with one login more (or another password). `before`: the file's content, empty =
// there is none. Permanent `SecretInvalid` when it holds something else than logins.
Result<std::string> with_docker_login(const std::string& before, const std::string& server,
                                      const std::string& username, const std::string& password);

// A flat object with these values more. Permanent `SecretInvalid` when `before` holds logins or no
// object; `UsageError` for a key that Kubernetes would not take or a value that is no UTF-8.
Result<std::string> with_values(const std::string& before,
                                const std::map<std::string, std::string>& values);

// What is in a secret, without values: "login of registry.example", or the keys.
std::vector<std::string> contents_of(const std::string& secret);

// Permanent `UsageError` when a Kubernetes Secret could not have this name, or a namespace this
// one.
Result<void> check_secret_name(const std::string& name_space, const std::string& name);

// Without the line end that a shell or an editor puts behind a value.
std::string without_line_end(std::string value);

}  // namespace tunesmith::cli
