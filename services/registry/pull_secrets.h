// Pull secrets: the docker configs that tuning.input.imagePullSecrets names.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "registry/docker_config.h"
#include "registry/registry_session.h"
#include "runtime/clock.h"
#include "runtime/result.h"

namespace tunesmith::registry {

// The credentials of the first secret that has an entry for `registry`; anonymous when none has
// (public images need none, another registry then refuses with ImageAccessDenied). Waits for a
// missing secret until call.deadline, then Transient `SecretMissing`. Permanent `SecretInvalid`
// (the file), `PullSecretInvalid` (what is in it).
Result<RegistryCredentials> read_pull_secrets(const std::filesystem::path& secrets_dir,
                                              const std::string& name_space,
                                              const std::vector<std::string>& names,
                                              const std::string& registry, const Clock& clock,
                                              const RegistryOptions& options,
                                              const RegistryCall& call);

}  // namespace tunesmith::registry
