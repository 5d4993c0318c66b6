#include "registry/docker_config.h"

#include <nlohmann/json.hpp>

namespace tunesmith::registry {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxConfigBytes = 1u << 20;

tl::unexpected<Failure> invalid(const std::string& what) {
  return permanent("PushSecretInvalid",
                   "the secret must hold a docker config with \"auths\": " + what);
}

// "https://index.docker.io/v1/" → "docker.io".
std::string host_of_key(std::string key) {
  if (const auto scheme = key.find("://"); scheme != std::string::npos) key.erase(0, scheme + 3);
  key.resize(std::min(key.find('/'), key.size()));
  for (char& c : key) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return key == "index.docker.io" || key == "registry-1.docker.io" ? "docker.io" : key;
}

std::string text_of(const json& entry, const char* name) {
  const auto found = entry.find(name);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : "";
}

Result<std::optional<RegistryCredentials>> read_entry(const json& entry, const std::string& key) {
  if (!entry.is_object()) return invalid("the entry of " + key + " is no object");
  RegistryCredentials found{.user = text_of(entry, "username"),
                            .password = text_of(entry, "password"),
                            .identity_token = text_of(entry, "identitytoken")};
  if (const std::string auth = text_of(entry, "auth"); !auth.empty()) {
    const auto decoded = base64_decode(auth);
    const auto colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos) {
      return invalid("\"auth\" of " + key + " is not the base64 of user:password");
    }
    found.user = decoded->substr(0, colon);
    found.password = decoded->substr(colon + 1);
  }
  if (found.anonymous()) return invalid("the entry of " + key + " holds no credentials");
  return found;
}

bool names_helper(const json& config, const std::string& registry) {
  const auto helpers = config.find("credHelpers");
  if (helpers == config.end() || !helpers->is_object())
    return !text_of(config, "credsStore").empty();
  for (const auto& [key, value] : helpers->items()) {
    if (host_of_key(key) == registry) return true;
  }
  return !text_of(config, "credsStore").empty();
}

}  // namespace

Result<std::optional<RegistryCredentials>> find_credentials(std::string_view config_json,
                                                            const std::string& registry) {
  if (config_json.size() > kMaxConfigBytes) return invalid("it is larger than 1 MiB");
  const json config = json::parse(config_json, nullptr, false);
  if (!config.is_object()) return invalid("it is no JSON object");
  if (const auto auths = config.find("auths"); auths != config.end()) {
    if (!auths->is_object()) return invalid("\"auths\" is no object");
    for (const auto& [key, entry] : auths->items()) {
      // `docker login` with a credential store leaves empty entries behind.
      if (host_of_key(key) == registry && !(entry.is_object() && entry.empty())) {
        return read_entry(entry, registry);
      }
    }
  }
  if (names_helper(config, registry)) {
    return invalid("the credentials of " + registry +
                   " are with a credential helper; write them under \"auths\" instead");
  }
  return std::optional<RegistryCredentials>();
}

}  // namespace tunesmith::registry
