#include "registry/registry_errors.h"

#include <nlohmann/json.hpp>

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

Failure registry_failure(const HttpResponse& response, const std::string& who,
                         const std::string& scope) {
  const std::string told = " (" + std::to_string(response.status) + told_error(response.body) + ")";
  const auto fail = [](FailureClass how, const char* reason, std::string message) {
    return Failure{how, reason, std::move(message)};
  };
  const int status = response.status;
  if (status == 401 || status == 403) {
    return fail(
        FailureClass::kPermanent, "PushDenied",
        who + " refuses " + scope + told + "; give the push secret a user that may push there");
  }
  if (status == 404) {
    const bool speaks = !response.header("Docker-Distribution-Api-Version").empty() ||
                        !told_error(response.body).empty();
    return speaks ? fail(FailureClass::kPermanent, "RepositoryNotFound",
                         who + " has nothing for " + scope + told +
                             "; create the repository or correct the output image")
                  : fail(FailureClass::kPermanent, "RegistryNotFound",
                         who + " does not speak the OCI distribution protocol" + told +
                             "; correct the output image");
  }
  if (status == 408 || status == 429 || status >= 500) {
    return fail(FailureClass::kTransient, "RegistryUnavailable",
                who + " cannot serve " + scope + " at the moment" + told);
  }
  return fail(FailureClass::kPermanent, "PushRefused", who + " does not accept " + scope + told);
}

}  // namespace tunesmith::registry
