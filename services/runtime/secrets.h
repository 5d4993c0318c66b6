// Secrets that a Workspace names, without Kubernetes: files `<secrets_dir>/<namespace>/<name>`,
// mode 0600, written by `tunesmith secret set`. Who may read which: docs/decisions/0005.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "runtime/result.h"

namespace tunesmith {

// One secret. Its values stand in no message, log or event; only its name does.
struct Secret {
  std::string shown;                          // "namespace/name", for messages
  std::map<std::string, std::string> values;  // as a Kubernetes Secret's stringData
  std::string docker_config;                  // JSON with "auths": the file itself, or its value
                                              // `.dockerconfigjson`; empty = it holds none
};

// Reads a JSON object: a docker config (`auths` at the top) or keys with texts. `purpose` ends the
// message about a missing one: "create it with …". Transient `SecretMissing`; Permanent
// `SecretInvalid`: the name leaves the folder, the file is readable by others than its owner, is no
// plain file, is larger than 1 MiB, or is no such object. Never waits. Thread-safe.
Result<Secret> read_secret(const std::filesystem::path& secrets_dir, const std::string& name_space,
                           const std::string& name, const std::string& purpose);

// The value of an Authorization header. Permanent `SecretInvalid` names the keys that are expected.
// For data: key `token` gives Bearer (RFC 6750), `username` and `password` give Basic (RFC 7617).
Result<std::string> data_authorization(const Secret& secret);
// For the model hub: key `HF_TOKEN`.
Result<std::string> hub_authorization(const Secret& secret);

}  // namespace tunesmith
