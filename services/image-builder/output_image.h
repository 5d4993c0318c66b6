// The image that a plan's adapter becomes: may it be pushed, and what does its tag hold.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "image-builder/builder_options.h"
#include "registry/registry_client.h"
#include "runtime/clock.h"
#include "runtime/http_client.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"

namespace tunesmith::image_builder {

struct OutputImage {
  std::unique_ptr<registry::RegistryClient> client;
  std::string tag;
  std::optional<registry::RemoteManifest> holds;  // an image of the plan's tuning key
};

// What it is opened with. All outlive the image.
struct OutputAccess {
  const HttpClient& http;
  const Clock& clock;
  const BuilderOptions& options;
};

// Reads the push secret and asks what the tag holds. `check_right`: an upload is opened and
// cancelled first. Permanent `ImageReferenceInvalid` (a digest), `OutputTagTaken` (by another
// image, and the plan may not replace it); else as read_push_secret, exchange_azure_identity and
// RegistryClient.
Result<OutputImage> open_output_image(const OutputAccess& access,
                                      const events::v1::WorkspaceRef& workspace,
                                      const events::v1::Plan& plan, bool check_right,
                                      const registry::RegistryCall& call);

}  // namespace tunesmith::image_builder
