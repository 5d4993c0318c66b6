#include "registry/push_secret.h"

#include "runtime/secrets.h"

namespace tunesmith::registry {

Result<RegistryCredentials> read_push_secret(const std::filesystem::path& secrets_dir,
                                             const std::string& name_space, const std::string& name,
                                             const std::string& registry, const Clock& clock,
                                             const RegistryOptions& options,
                                             const RegistryCall& call) {
  if (name.empty()) return RegistryCredentials{};
  RetryWait wait(clock, options, call);
  auto secret =
      read_secret(secrets_dir, name_space, name, "create it with a docker config for " + registry);
  while (!secret && secret.error().failure_class == FailureClass::kTransient) {
    if (!wait.again(secret.error(), std::chrono::seconds(0))) break;
    secret = read_secret(secrets_dir, name_space, name,
                         "create it with a docker config for " + registry);
  }
  if (!secret) return tl::unexpected(secret.error());
  if (secret->docker_config.empty()) {
    return permanent("PushSecretInvalid",
                     "the secret " + secret->shown +
                         " cannot authorise a push: expected a docker config with \"auths\"");
  }
  const auto found = find_credentials(secret->docker_config, registry);
  if (!found) {
    return permanent(found.error().reason, secret->shown + ": " + found.error().message);
  }
  return found->value_or(RegistryCredentials{});
}

}  // namespace tunesmith::registry
