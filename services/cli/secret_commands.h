// `tunesmith secret`: files of the local stack, mode 0600. No bus is needed.
#pragma once

#include <string>
#include <vector>

#include "cli/session.h"
#include "runtime/result.h"

namespace tunesmith::cli {

struct SecretOptions {
  std::string name;
  std::string docker_server, docker_username;
  bool password_stdin = false;
  std::vector<std::string> from_files;  // KEY=PATH
  std::string key;
  bool value_stdin = false;
};

Result<int> set_secret(const CommandContext& context, const SecretOptions& options);
Result<int> list_secrets(const CommandContext& context);
Result<int> delete_secret(const CommandContext& context, const SecretOptions& options);

}  // namespace tunesmith::cli
