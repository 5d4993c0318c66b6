#include "registry/registry_client.h"

#include <utility>

#include "runtime/sha256.h"

namespace tunesmith::registry {

namespace {

constexpr std::uint64_t kMaxManifestBytes = 4u << 20;

// Whatever may stand under a tag: its annotations decide whether it is ours.
constexpr const char* kAcceptedTypes =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json";

}  // namespace

Result<void> RegistryClient::check_push(const RegistryCall& call) {
  HttpRequest open{.method = "POST", .url = session_.url("/blobs/uploads/")};
  open.total_timeout = session_.options().request_timeout;
  open.follow_redirects = false;
  const auto opened = session_.send(open, call);
  if (!opened) return tl::unexpected(opened.error());
  if (opened->status != 202) return tl::unexpected(session_.failure(*opened));
  const auto location = session_.resolve(opened->header("Location"));
  if (!location) return tl::unexpected(location.error());

  HttpRequest cancel{.method = "DELETE", .url = *location};
  cancel.total_timeout = session_.options().request_timeout;
  // Not all registries can cancel; they forget open uploads by themselves. The right was proven
  // already.
  static_cast<void>(session_.send_once(std::move(cancel), call));
  return {};
}

Result<std::optional<RemoteManifest>> RegistryClient::manifest(const std::string& reference,
                                                               const RegistryCall& call) {
  HttpRequest request{.url = session_.url("/manifests/" + reference)};
  request.headers.emplace("Accept", kAcceptedTypes);
  request.total_timeout = session_.options().request_timeout;
  request.max_body_bytes = kMaxManifestBytes;
  auto response = session_.send(request, call);
  if (!response) return tl::unexpected(response.error());
  if (response->status == 404) return std::optional<RemoteManifest>();
  if (response->status != 200) return tl::unexpected(session_.failure(*response));
  const std::string digest = "sha256:" + sha256_hex(response->body);
  return RemoteManifest{digest, std::move(response->body)};
}

Result<bool> RegistryClient::mount_blob(const std::string& digest,
                                        const std::string& from_repository,
                                        const RegistryCall& call) {
  HttpRequest request{
      .method = "POST",
      .url = session_.url("/blobs/uploads/?" +
                          form_encode({{"mount", digest}, {"from", from_repository}}))};
  request.total_timeout = session_.options().request_timeout;
  request.follow_redirects = false;
  const auto response = session_.send(request, call);
  if (!response) return tl::unexpected(response.error());
  if (response->status == 201) return true;
  if (response->status != 202) return tl::unexpected(session_.failure(*response));
  if (const auto location = session_.resolve(response->header("Location"))) {
    HttpRequest cancel{.method = "DELETE", .url = *location};
    cancel.total_timeout = session_.options().request_timeout;
    static_cast<void>(session_.send_once(std::move(cancel), call));
  }
  return false;
}

Result<void> RegistryClient::push(const Image& image, const std::string& tag,
                                  const RegistryCall& call) {
  std::vector<Blob> blobs;
  blobs.reserve(image.layers.size() + 1);
  for (const auto& [file, info] : image.layers) {
    blobs.push_back(Blob::of_file(info.digest, info.size_bytes, file));
  }
  blobs.push_back(Blob::of_bytes(image.config_digest, image.config));
  std::uint64_t before = 0;
  for (const Blob& blob : blobs) {
    RegistryCall part = call;
    part.on_progress = [&call, before](std::uint64_t bytes) {
      if (call.on_progress) call.on_progress(before + bytes);
    };
    if (auto uploaded = upload_blob(session_, blob, part); !uploaded) return uploaded;
    before += blob.size_bytes;
  }
  if (auto put = put_manifest(image, tag, call); !put) return put;
  if (call.on_progress) call.on_progress(image.size_bytes());
  return read_back(image, blobs, call);
}

Result<void> RegistryClient::put_manifest(const Image& image, const std::string& tag,
                                          const RegistryCall& call) {
  HttpRequest request{.method = "PUT", .url = session_.url("/manifests/" + tag)};
  request.headers.emplace("Content-Type", kManifestType);
  request.body = image.manifest;
  request.total_timeout = session_.options().request_timeout;
  const auto response = session_.send(request, call);
  if (!response) return tl::unexpected(response.error());
  if (response->status < 200 || response->status > 299) {
    return tl::unexpected(session_.failure(*response));
  }
  return {};
}

Result<void> RegistryClient::read_back(const Image& image, const std::vector<Blob>& blobs,
                                       const RegistryCall& call) {
  const auto differs = [this](const std::string& what) {
    return permanent("PushNotReadBack", "registry " + session_.target().registry +
                                            " took the image, but " + what +
                                            "; tunesmith retry pushes again");
  };
  const auto manifest_there = manifest(image.manifest_digest, call);
  if (!manifest_there) return tl::unexpected(manifest_there.error());
  if (!*manifest_there || (*manifest_there)->digest != image.manifest_digest) {
    return differs("has no manifest " + image.manifest_digest);
  }
  for (const Blob& blob : blobs) {
    const auto there = has_blob(session_, blob, call);
    if (!there) return tl::unexpected(there.error());
    if (!*there) return differs("has no blob " + blob.digest + " of that size");
  }
  return {};
}

}  // namespace tunesmith::registry
