// Credentials for an Azure Container Registry without a secret: the pod's workload identity,
// exchanged twice.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "registry/docker_config.h"
#include "registry/registry_session.h"
#include "runtime/http_client.h"
#include "runtime/result.h"

namespace tunesmith::registry {

// What Azure's workload identity webhook puts into a pod.
struct AzureIdentity {
  std::string authority;  // URL with a trailing slash
  std::string tenant, client_id;
  std::filesystem::path
      token_file;  // a Kubernetes token, renewed by the kubelet: read anew each time

  // AZURE_AUTHORITY_HOST, AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE; nullopt
  // when one of the last three is missing.
  static std::optional<AzureIdentity> from_environment(
      const std::function<std::optional<std::string>(const std::string&)>& environment);
};

bool is_azure_registry(const std::string& registry);

// Token file → Entra token (POST <authority><tenant>/oauth2/v2.0/token, client_assertion) → the
// registry's refresh token (POST <registry_url>/oauth2/exchange, grant_type=access_token), returned
// as an identity token, which RegistryAuth turns into access tokens at /oauth2/token. Source:
// github.com/Azure/acr, docs/AAD-OAuth.md. Permanent `PushDenied` when either refuses; transient
// answers are waited out until call.deadline.
Result<RegistryCredentials> exchange_azure_identity(const HttpClient& http, const Clock& clock,
                                                    const RegistryOptions& options,
                                                    const AzureIdentity& identity,
                                                    const std::string& registry_url,
                                                    const RegistryCall& call);

}  // namespace tunesmith::registry
