// `registry/repository:tag` as the distribution specification has it.
#pragma once

#include <string>
#include <string_view>

#include "runtime/result.h"

namespace tunesmith::workspace {

struct ImageReference {
  std::string registry;    // host or host:port; "docker.io" when none is written
  std::string repository;  // lower case, "library/…" is added for docker.io
  std::string tag;         // "latest" when neither tag nor digest is written
  std::string digest;      // "sha256:…" or empty
};

// Permanent `ImageReferenceInvalid` with one sentence that says which part is wrong (upper-case
// repositories: placeholders left in).
Result<ImageReference> parse_image_reference(std::string_view text);

}  // namespace tunesmith::workspace
