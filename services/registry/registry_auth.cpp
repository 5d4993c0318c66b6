#include "registry/registry_auth.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "registry/auth_challenge.h"
#include "registry/registry_errors.h"
#include "runtime/percent.h"

namespace tunesmith::registry {

namespace {

using nlohmann::json;

constexpr const char* kClientId = "tunesmith";
constexpr std::chrono::seconds kTokenTimeout{30};

std::string parameter(const std::map<std::string, std::string>& parameters,
                      const std::string& name) {
  const auto found = parameters.find(name);
  return found == parameters.end() ? "" : found->second;
}

}  // namespace

std::string form_encode(const std::map<std::string, std::string>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += (out.empty() ? "" : "&") + percent_encode(name, is_unreserved) + "=" +
           percent_encode(value, is_unreserved);
  }
  return out;
}

RegistryAuth::RegistryAuth(const HttpClient& http, std::string registry,
                           RegistryCredentials credentials, bool plain_http, Access access)
    : http_(http),
      registry_(std::move(registry)),
      credentials_(std::move(credentials)),
      plain_http_(plain_http),
      access_(access) {}

std::string RegistryAuth::cached(const std::string& scope) const {
  const std::lock_guard lock(mutex_);
  const auto found = headers_.find(scope);
  return found == headers_.end() ? "" : found->second;
}

Result<std::string> RegistryAuth::answer(const HttpResponse& unauthorised, const std::string& scope,
                                         std::stop_token stop) {
  std::vector<AuthChallenge> challenges;
  const auto [begin, end] = unauthorised.headers.equal_range("WWW-Authenticate");
  for (auto header = begin; header != end; ++header) {
    auto more = parse_challenges(header->second);
    challenges.insert(challenges.end(), more.begin(), more.end());
  }
  const auto by_scheme = [&challenges](const char* scheme) {
    return std::find_if(challenges.begin(), challenges.end(),
                        [scheme](const AuthChallenge& c) { return c.scheme == scheme; });
  };
  Result<std::string> header = tl::unexpected(
      access_denied(access_, "registry " + registry_ + " refuses " + scope +
                                 " and offers neither basic nor bearer authentication"));
  if (const auto found = by_scheme("bearer"); found != challenges.end()) {
    header = bearer(found->parameters, scope, stop);
  } else if (by_scheme("basic") != challenges.end()) {
    header = basic(scope);
  }
  if (header) {
    const std::lock_guard lock(mutex_);
    headers_[scope] = *header;
  }
  return header;
}

Result<std::string> RegistryAuth::basic(const std::string& scope) const {
  if (credentials_.user.empty() && credentials_.password.empty()) {
    return tl::unexpected(access_denied(
        access_, "registry " + registry_ + " asks for a user and a password for " + scope +
                     ", and " +
                     (access_ == Access::kPush ? "the push secret has none for it"
                                               : "no secret of tuning.input.imagePullSecrets has "
                                                 "them")));
  }
  return "Basic " + base64_encode(credentials_.user + ":" + credentials_.password);
}

HttpRequest RegistryAuth::token_request(const std::string& realm, const std::string& service,
                                        const std::string& scope) const {
  HttpRequest request;
  request.total_timeout = kTokenTimeout;
  std::map<std::string, std::string> fields = {{"scope", scope}};
  if (!service.empty()) fields["service"] = service;
  if (!credentials_.identity_token.empty()) {
    fields["grant_type"] = "refresh_token";
    fields["client_id"] = kClientId;
    fields["refresh_token"] = credentials_.identity_token;
    request.method = "POST";
    request.follow_redirects = false;  // would send the body on, to whatever host
    request.url = realm;
    request.body = form_encode(fields);
    request.headers.emplace("Content-Type", "application/x-www-form-urlencoded");
    return request;
  }
  request.url = realm + (realm.find('?') == std::string::npos ? "?" : "&") + form_encode(fields);
  if (!credentials_.anonymous()) {
    request.headers.emplace(
        "Authorization", "Basic " + base64_encode(credentials_.user + ":" + credentials_.password));
  }
  return request;
}

Result<std::string> RegistryAuth::bearer(const std::map<std::string, std::string>& parameters,
                                         const std::string& scope, std::stop_token stop) const {
  const std::string realm = parameter(parameters, "realm");
  const auto url = parse_url(realm);
  if (!url || (url->scheme != "https" && !plain_http_)) {
    return tl::unexpected(access_denied(
        access_, "registry " + registry_ +
                     " names a token server that is no https URL: " + redact_url(realm)));
  }
  HttpRequest request = token_request(realm, parameter(parameters, "service"), scope);
  request.stop = stop;
  const auto response = http_.send(request);
  if (!response) return tl::unexpected(response.error());
  if (response->status != 200) {
    return tl::unexpected(registry_failure(
        *response, "the token server " + redact_url(realm) + " of registry " + registry_, scope,
        access_));
  }
  const json answer = json::parse(response->body, nullptr, false);
  for (const char* name : {"token", "access_token"}) {
    if (answer.is_object() && answer.contains(name) && answer[name].is_string() &&
        !answer[name].get_ref<const std::string&>().empty()) {
      return "Bearer " + answer[name].get<std::string>();
    }
  }
  return transient("RegistryUnavailable",
                   "the token server " + redact_url(realm) + " answered 200 without a token");
}

}  // namespace tunesmith::registry
