#include "image-builder/output_image.h"

#include <utility>

#include "image-builder/adapter_image.h"
#include "registry/azure_exchange.h"
#include "registry/push_secret.h"

namespace tunesmith::image_builder {

namespace {

namespace v1 = events::v1;

std::string key_in(const registry::RemoteManifest& manifest) {
  const auto annotations = registry::annotations_in(manifest.body);
  const auto found = annotations.find(kTuningKeyAnnotation);
  return found == annotations.end() ? "" : found->second;
}

tl::unexpected<Failure> tag_taken(const v1::Plan& plan, const registry::RemoteManifest& holds) {
  const std::string key = key_in(holds);
  return permanent(
      "OutputTagTaken",
      "the tag of " + plan.output().image() + " already holds " +
          (key.empty() ? "an image that tunesmith did not make"
                       : "the adapter of another tuning (key " + key.substr(0, 12) + "…)") +
          ", " + holds.digest +
          "; choose another tag, delete that one, or allow overwriting it with the annotation "
          "tunesmith.dev/replace-tag: \"true\"");
}

Result<registry::RegistryCredentials> credentials_for(const OutputAccess& access,
                                                      const v1::WorkspaceRef& workspace,
                                                      const v1::Plan& plan,
                                                      const std::string& registry,
                                                      const registry::RegistryCall& call) {
  auto found = registry::read_push_secret(access.options.secrets_dir, workspace.namespace_(),
                                          plan.output().image_push_secret(), registry, access.clock,
                                          access.options.registry, call);
  if (!found || !found->anonymous() || !access.options.azure ||
      !registry::is_azure_registry(registry)) {
    return found;
  }
  return registry::exchange_azure_identity(access.http, access.clock, access.options.registry,
                                           *access.options.azure, "https://" + registry, call);
}

}  // namespace

Result<OutputImage> open_output_image(const OutputAccess& access, const v1::WorkspaceRef& workspace,
                                      const v1::Plan& plan, bool check_right,
                                      const registry::RegistryCall& call) {
  const auto target = workspace::parse_image_reference(plan.output().image());
  if (!target) return tl::unexpected(target.error());
  if (!target->digest.empty()) {
    return permanent("ImageReferenceInvalid",
                     "the output image " + plan.output().image() +
                         " names a digest, which only the content can decide; name a tag");
  }
  auto credentials = credentials_for(access, workspace, plan, target->registry, call);
  if (!credentials) return tl::unexpected(credentials.error());
  OutputImage output{
      .client = std::make_unique<registry::RegistryClient>(
          access.http, access.clock, access.options.registry, *target, *std::move(credentials)),
      .tag = target->tag,
      .holds = std::nullopt};
  if (check_right) {
    if (const auto right = output.client->check_push(call); !right) {
      return tl::unexpected(right.error());
    }
  }
  auto holds = output.client->manifest(target->tag, call);
  if (!holds) return tl::unexpected(holds.error());
  const bool ours = *holds && key_in(**holds) == plan.tuning_key();
  if (*holds && !ours && !plan.output().replace_tag()) return tag_taken(plan, **holds);
  if (ours) output.holds = *std::move(holds);
  return output;
}

}  // namespace tunesmith::image_builder
