#include "registry/docker_config.h"

#include "targets.h"

namespace tunesmith::fuzz {

void docker_config(std::string_view input) {
  for (const std::string registry : {"registry.example.org:5000", "docker.io", "r.example.org"}) {
    const auto found = registry::find_credentials(input, registry);
    if (found) {
      promise(!*found || !(*found)->anonymous(), "an entry that is found holds credentials");
      continue;
    }
    // Only our own words and the registry we asked for: a message may be shown to anybody.
    promise(found.error().message.size() < 300, "the message does not quote the document");
    promise(found.error().reason == "PushSecretInvalid", "the failure has its name");
  }
}

}  // namespace tunesmith::fuzz
