// Turns a registry's 401 answer into an Authorization header: basic, or a bearer token from the
// registry's token server.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "registry/docker_config.h"
#include "registry/registry_errors.h"
#include "runtime/http_client.h"
#include "runtime/result.h"

namespace tunesmith::registry {

// Docker's token protocol (distribution.github.io/distribution/spec/auth/token and …/oauth): GET
// with basic authentication, or POST with grant_type=refresh_token when the credentials are an
// identity token (as for Azure Container Registry). One registry and one set of credentials;
// thread-safe; `http` outlives it.
class RegistryAuth {
 public:
  // plain_http: the registry is spoken to without TLS, so its token server may be, too; otherwise
  // secrets travel by https only.
  RegistryAuth(const HttpClient& http, std::string registry, RegistryCredentials credentials,
               bool plain_http, Access access = Access::kPush);

  // The header for `scope` ("repository:a/b:pull,push") that worked last, or empty.
  std::string cached(const std::string& scope) const;

  // Answers a challenge (the values of WWW-Authenticate). Permanent access_denied() when the
  // credentials are refused or none fit the challenge; Transient `RegistryUnavailable` when the
  // token server does not answer. Messages name scope and token server, never a credential.
  Result<std::string> answer(const HttpResponse& unauthorised, const std::string& scope,
                             std::stop_token stop);

 private:
  Result<std::string> basic(const std::string& scope) const;
  Result<std::string> bearer(const std::map<std::string, std::string>& parameters,
                             const std::string& scope, std::stop_token stop) const;
  HttpRequest token_request(const std::string& realm, const std::string& service,
                            const std::string& scope) const;

  const HttpClient& http_;
  const std::string registry_;
  const RegistryCredentials credentials_;
  const bool plain_http_;
  const Access access_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> headers_;  // by scope
};

// application/x-www-form-urlencoded, also used in queries.
std::string form_encode(const std::map<std::string, std::string>& fields);

}  // namespace tunesmith::registry
