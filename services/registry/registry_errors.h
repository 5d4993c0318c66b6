// What a registry's refusal means: try again, or tell the user.
#pragma once

#include <string>

#include "runtime/http_client.h"
#include "runtime/result.h"

namespace tunesmith::registry {

// Classifies an answer that is no success. `who`: "registry r.example"; `scope`: what was wanted
// ("repository:a/b:pull,push").
//   401, 403              Permanent PushDenied
//   404                   Permanent RepositoryNotFound, or RegistryNotFound when no registry speaks
//   there 408, 429, 5xx         Transient RegistryUnavailable anything else         Permanent
//   PushRefused
// The message holds the registry's first error (OCI distribution: {"errors":[{"code","message"}]}),
// cut to 200 printable characters.
Failure registry_failure(const HttpResponse& response, const std::string& who,
                         const std::string& scope);

}  // namespace tunesmith::registry
