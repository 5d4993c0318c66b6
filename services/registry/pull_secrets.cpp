#include "registry/pull_secrets.h"

#include "runtime/secrets.h"

namespace tunesmith::registry {

namespace {

Result<Secret> read_when_there(const std::filesystem::path& secrets_dir,
                               const std::string& name_space, const std::string& name,
                               const std::string& registry, RetryWait& wait) {
  const std::string purpose = "create it with a docker config for " + registry;
  while (true) {
    auto secret = read_secret(secrets_dir, name_space, name, purpose);
    if (secret || secret.error().failure_class != FailureClass::kTransient) return secret;
    if (!wait.again(secret.error(), std::chrono::seconds(0))) return secret;
  }
}

}  // namespace

Result<RegistryCredentials> read_pull_secrets(const std::filesystem::path& secrets_dir,
                                              const std::string& name_space,
                                              const std::vector<std::string>& names,
                                              const std::string& registry, const Clock& clock,
                                              const RegistryOptions& options,
                                              const RegistryCall& call) {
  RetryWait wait(clock, options, call);
  for (const auto& name : names) {
    const auto secret = read_when_there(secrets_dir, name_space, name, registry, wait);
    if (!secret) return tl::unexpected(secret.error());
    if (secret->docker_config.empty()) {
      return permanent("PullSecretInvalid",
                       "the secret " + secret->shown +
                           " cannot authorise a pull: expected a docker config with \"auths\"");
    }
    const auto found = find_credentials(secret->docker_config, registry);
    if (!found) {
      return permanent("PullSecretInvalid", secret->shown + ": " + found.error().message);
    }
    if (*found) return **found;
  }
  return RegistryCredentials{};
}

}  // namespace tunesmith::registry
