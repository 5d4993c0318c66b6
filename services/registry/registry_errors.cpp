#include "registry/registry_errors.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace tunesmith::registry {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxQuoted = 200;

std::string member(const json& object, const char* name) {
  if (!object.is_object()) return "";
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text.substr(0, kMaxQuoted)) {
    out.push_back(c >= ' ' && c <= '~' ? c : '?');
  }
  return out;
}

// ": CODE message" or nothing.
std::string told_error(const std::string& body) {
  const json document = json::parse(body, nullptr, false);
  if (!document.is_object()) return "";
  if (const auto errors = document.find("errors");
      errors != document.end() && errors->is_array() && !errors->empty()) {
    return ": " +
           printable(member(errors->front(), "code") + " " + member(errors->front(), "message"));
  }
  const std::string oauth = member(document, "error");
  return oauth.empty() ? "" : ": " + printable(oauth + " " + member(document, "error_description"));
}

}  // namespace

Failure access_denied(Access access, std::string message) {
  if (access == Access::kPush) {
    return {FailureClass::kPermanent, "PushDenied", std::move(message)};
  }
  return {FailureClass::kPermanent, "ImageAccessDenied", std::move(message)};
}

Failure registry_failure(const HttpResponse& response, const std::string& who,
                         const std::string& scope, Access access) {
  const bool push = access == Access::kPush;
  const std::string told = " (" + std::to_string(response.status) + told_error(response.body) + ")";
  const int status = response.status;
  if (status == 401 || status == 403) {
    return access_denied(
        access, who + " refuses " + scope + told +
                    (push ? "; give the push secret a user that may push there"
                          : "; name a secret that may pull it in tuning.input.imagePullSecrets"));
  }
  if (status == 408 || status == 429 || status >= 500) {
    return {FailureClass::kTransient, "RegistryUnavailable",
            who + " cannot serve " + scope + " at the moment" + told};
  }
  const std::string correct = push ? "correct the output image" : "correct tuning.input.image";
  const bool speaks = !response.header("Docker-Distribution-Api-Version").empty() ||
                      !told_error(response.body).empty();
  if (status == 404 && !speaks) {
    return {FailureClass::kPermanent, "RegistryNotFound",
            who + " does not speak the OCI distribution protocol" + told + "; " + correct};
  }
  if (status == 404 && push) {
    return {FailureClass::kPermanent, "RepositoryNotFound",
            who + " has nothing for " + scope + told + "; create the repository or " + correct};
  }
  if (status == 404) {
    return {FailureClass::kPermanent, "ImageNotFound",
            who + " has nothing for " + scope + told + "; " + correct};
  }
  if (push) {
    return {FailureClass::kPermanent, "PushRefused", who + " does not accept " + scope + told};
  }
  return {FailureClass::kPermanent, "ImageNotReadable", who + " does not give " + scope + told};
}

}  // namespace tunesmith::registry
