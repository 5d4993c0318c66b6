#include "workspace/image_reference.h"

#include "targets.h"

namespace tunesmith::fuzz {

void image_reference(std::string_view input) {
  const auto image = workspace::parse_image_reference(input);
  if (!image) {
    promise(image.error().reason == "ImageReferenceInvalid", "the failure has its name");
    promise(image.error().message.size() < 4096, "a message is short");
    return;
  }
  promise(!image->registry.empty() && !image->repository.empty(), "both parts are there");
  promise(!image->tag.empty() || !image->digest.empty(), "it names one image");
  promise(image->repository.find("..") == std::string::npos, "a repository does not climb");
  promise((image->registry + image->repository + image->tag).find_first_of(" \r\n?#%@\\") ==
              std::string::npos,
          "it can stand in a URL");
  std::string written = image->registry + "/" + image->repository;
  written += image->tag.empty() ? "" : ":" + image->tag;
  written += image->digest.empty() ? "" : "@" + image->digest;
  const auto again = workspace::parse_image_reference(written);
  promise(again && again->registry == image->registry && again->repository == image->repository &&
              again->tag == image->tag && again->digest == image->digest,
          "what was read is read again from its parts: " + written);
}

}  // namespace tunesmith::fuzz
