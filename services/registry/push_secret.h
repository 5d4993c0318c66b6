// Push secrets: docker config documents in files `<secrets_dir>/<namespace>/<name>`, readable by
// this service alone.
#pragma once

#include <filesystem>
#include <string>

#include "registry/docker_config.h"
#include "registry/registry_session.h"
#include "runtime/clock.h"
#include "runtime/result.h"

namespace tunesmith::registry {

// The credentials for `registry` in the named secret; anonymous when `name` is empty or the secret
// has no entry for the registry (an open registry needs none; another one then refuses with
// PushDenied). Waits for a missing file until call.deadline, then Transient `SecretMissing`.
// Permanent `SecretInvalid` (the file), `PushSecretInvalid` (what is in it).
Result<RegistryCredentials> read_push_secret(const std::filesystem::path& secrets_dir,
                                             const std::string& name_space, const std::string& name,
                                             const std::string& registry, const Clock& clock,
                                             const RegistryOptions& options,
                                             const RegistryCall& call);

}  // namespace tunesmith::registry
