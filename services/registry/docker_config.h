// The docker config document that a push secret holds: who may push where.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/base64.h"
#include "runtime/result.h"

namespace tunesmith::registry {

// What proves that we may push. All empty = anonymous. Never logged, never part of a message.
struct RegistryCredentials {
  std::string user;
  std::string password;
  std::string identity_token;  // OAuth2 refresh token; wins over user and password

  bool anonymous() const { return user.empty() && password.empty() && identity_token.empty(); }
};

// Looks up `registry` (host or host:port) in the document's `auths`: keys with or without scheme
// and path, docker.io under its old name too; `auth` (base64 of user:password),
// `username`/`password`, `identitytoken`. nullopt = the document has no entry for it. Permanent
// `PushSecretInvalid` when the document cannot be read or names a credential helper, which is a
// program of somebody's workstation; the message never quotes the document.
Result<std::optional<RegistryCredentials>> find_credentials(std::string_view config_json,
                                                            const std::string& registry);

using tunesmith::base64_decode;
using tunesmith::base64_encode;

}  // namespace tunesmith::registry
