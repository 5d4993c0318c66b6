// What a registry's refusal means: try again, or tell the user.
#pragma once

#include <string>

#include "runtime/http_client.h"
#include "runtime/result.h"

namespace tunesmith::registry {

// What we want of a repository; decides which scope is asked for and what a refusal is called.
enum class Access { kPush, kPull };

// Classifies an answer that is no success. `who`: "registry r.example"; `scope`: what was wanted
// ("repository:a/b:pull,push").
//
//   answer         class      reason of a push      reason of a pull
//   401, 403       Permanent  PushDenied            ImageAccessDenied
//   404            Permanent  RepositoryNotFound    ImageNotFound       RegistryNotFound when no
//                                                                       registry speaks there
//   408, 429, 5xx  Transient  RegistryUnavailable   RegistryUnavailable
//   anything else  Permanent  PushRefused           ImageNotReadable
//
// The message holds the registry's first error (OCI distribution: {"errors":[{"code","message"}]}),
// cut to 200 printable characters.
Failure registry_failure(const HttpResponse& response, const std::string& who,
                         const std::string& scope, Access access = Access::kPush);

// Permanent `PushDenied` or `ImageAccessDenied`.
Failure access_denied(Access access, std::string message);

}  // namespace tunesmith::registry
