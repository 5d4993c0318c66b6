#include "registry/azure_exchange.h"

#include <map>
#include <nlohmann/json.hpp>

#include "registry/registry_errors.h"
#include "runtime/text.h"

namespace tunesmith::registry {

namespace {

using nlohmann::json;
using Fields = std::map<std::string, std::string>;

constexpr const char* kScope = "https://management.azure.com/.default";
constexpr const char* kAssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

// POSTs a form and returns the text member `wanted` of the answer.
Result<std::string> exchange(const HttpClient& http, const std::string& url, const Fields& fields,
                             const char* wanted, const RegistryCall& call) {
  HttpRequest request{.method = "POST", .url = url};
  request.headers.emplace("Content-Type", "application/x-www-form-urlencoded");
  request.body = form_encode(fields);
  request.follow_redirects = false;
  request.total_timeout = std::chrono::seconds(30);
  request.stop = call.stop;
  const auto response = http.send(request);
  if (!response) return tl::unexpected(response.error());
  // Entra answers 400 to a wrong assertion.
  if (response->status == 400) {
    HttpResponse denied = *response;
    denied.status = 401;
    return tl::unexpected(registry_failure(denied, redact_url(url), wanted));
  }
  if (response->status != 200) {
    return tl::unexpected(registry_failure(*response, redact_url(url), wanted));
  }
  const json answer = json::parse(response->body, nullptr, false);
  if (answer.is_object() && answer.contains(wanted) && answer[wanted].is_string()) {
    return answer[wanted].get<std::string>();
  }
  return transient("RegistryUnavailable", redact_url(url) + " answered 200 without " + wanted);
}

Result<std::string> refresh_token(const HttpClient& http, const AzureIdentity& identity,
                                  const std::string& registry_url, const RegistryCall& call) {
  const auto assertion = read_file(identity.token_file, 1u << 16);
  if (!assertion) return tl::unexpected(assertion.error());
  auto entra = exchange(http, identity.authority + identity.tenant + "/oauth2/v2.0/token",
                        {{"grant_type", "client_credentials"},
                         {"client_id", identity.client_id},
                         {"client_assertion_type", kAssertionType},
                         {"client_assertion", *assertion},
                         {"scope", kScope}},
                        "access_token", call);
  if (!entra) return entra;
  const auto url = parse_url(registry_url);
  if (!url) return tl::unexpected(url.error());
  return exchange(http, registry_url + "/oauth2/exchange",
                  {{"grant_type", "access_token"},
                   {"service", url->host},
                   {"tenant", identity.tenant},
                   {"access_token", *entra}},
                  "refresh_token", call);
}

}  // namespace

std::optional<AzureIdentity> AzureIdentity::from_environment(
    const std::function<std::optional<std::string>(const std::string&)>& environment) {
  const auto tenant = environment("AZURE_TENANT_ID"), client = environment("AZURE_CLIENT_ID"),
             file = environment("AZURE_FEDERATED_TOKEN_FILE");
  if (!tenant || !client || !file) return std::nullopt;
  std::string authority =
      environment("AZURE_AUTHORITY_HOST").value_or("https://login.microsoftonline.com/");
  if (!authority.ends_with('/')) authority += '/';
  return AzureIdentity{std::move(authority), *tenant, *client, *file};
}

bool is_azure_registry(const std::string& registry) {
  return registry.ends_with(".azurecr.io") || registry.ends_with(".azurecr.cn") ||
         registry.ends_with(".azurecr.us");
}

Result<RegistryCredentials> exchange_azure_identity(const HttpClient& http, const Clock& clock,
                                                    const RegistryOptions& options,
                                                    const AzureIdentity& identity,
                                                    const std::string& registry_url,
                                                    const RegistryCall& call) {
  RetryWait wait(clock, options, call);
  while (true) {
    auto token = refresh_token(http, identity, registry_url, call);
    if (token) {
      RegistryCredentials credentials;
      credentials.identity_token = *std::move(token);
      return credentials;
    }
    Failure failure = token.error();
    if (failure.failure_class != FailureClass::kTransient ||
        !wait.again(failure, std::chrono::seconds(0))) {
      return tl::unexpected(failure);
    }
  }
}

}  // namespace tunesmith::registry
