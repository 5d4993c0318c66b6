#include "registry/push_secret.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/text.h"

namespace tunesmith::registry {

namespace {

constexpr std::size_t kMaxSecretBytes = 1u << 20;

// What Kubernetes allows in names, and nothing that leaves the folder.
bool is_object_name(const std::string& name) {
  return !name.empty() && name.size() <= 253 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

}  // namespace

Result<RegistryCredentials> read_push_secret(const std::filesystem::path& secrets_dir,
                                             const std::string& name_space, const std::string& name,
                                             const std::string& registry, const Clock& clock,
                                             const RegistryOptions& options,
                                             const RegistryCall& call) {
  if (name.empty()) return RegistryCredentials{};
  if (!is_object_name(name) || !is_object_name(name_space)) {
    return permanent("PushSecretInvalid", "'" + name_space + "/" + name.substr(0, 253) +
                                              "' is no name of a secret (lower-case letters, "
                                              "digits, '-', '.')");
  }
  const std::filesystem::path file = secrets_dir / name_space / name;
  RetryWait wait(clock, options, call);
  std::error_code error;
  while (!std::filesystem::exists(file, error)) {
    Failure missing{FailureClass::kTransient, "PushSecretMissing",
                    fmt::format("the push secret {}/{} does not exist; create it with a docker "
                                "config for {}",
                                name_space, name, registry)};
    if (!wait.again(missing, std::chrono::seconds(0))) return tl::unexpected(missing);
  }
  const auto text = read_file(file, kMaxSecretBytes);
  if (!text) {
    return permanent("PushSecretInvalid", "the push secret " + name_space + "/" + name +
                                              " cannot be read (expected a file of at most 1 MiB)");
  }
  const auto found = find_credentials(*text, registry);
  if (!found) {
    return permanent(found.error().reason, name_space + "/" + name + ": " + found.error().message);
  }
  return found->value_or(RegistryCredentials{});
}

}  // namespace tunesmith::registry
