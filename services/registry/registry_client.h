// What is asked of a registry: may I push here, what does this tag hold, take this image.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "registry/blob_upload.h"
#include "registry/image.h"
#include "registry/registry_session.h"
#include "runtime/result.h"

namespace tunesmith::registry {

struct RemoteManifest {
  std::string digest;  // of the bytes that came
  std::string body;
};

// One repository of one registry; OCI distribution 1.1. Every call waits out what is transient
// until call.deadline, then returns it; `Stopped` at a stop. Permanent: see registry_errors.h.
// Thread-safe; `http` and `clock` outlive it.
class RegistryClient {
 public:
  RegistryClient(const HttpClient& http, const Clock& clock, RegistryOptions options,
                 ImageReference target, RegistryCredentials credentials,
                 Access access = Access::kPush)
      : session_(http, clock, std::move(options), std::move(target), std::move(credentials),
                 access) {}

  // Opens an upload and cancels it: success means that we may push.
  Result<void> check_push(const RegistryCall& call);

  // By tag or digest; nullopt when there is none.
  Result<std::optional<RemoteManifest>> manifest(const std::string& reference,
                                                 const RegistryCall& call);

  // Makes the repository have a blob of another repository of the registry, without sending it;
  // false when the registry does not do that for us.
  Result<bool> mount_blob(const std::string& digest, const std::string& from_repository,
                          const RegistryCall& call);

  // Layers, configuration, then the manifest under `tag` (the commit), then reads all back by
  // digest. call.on_progress counts bytes of the whole image. Permanent `PushNotReadBack` when the
  // registry holds something else afterwards.
  Result<void> push(const Image& image, const std::string& tag, const RegistryCall& call);

  std::string blob_url(const std::string& digest) const { return session_.url("/blobs/" + digest); }
  // One request to the repository, authorised; for whoever has retries of its own.
  Result<HttpResponse> send_once(HttpRequest request, const RegistryCall& call) {
    return session_.send_once(std::move(request), call);
  }
  const ImageReference& target() const { return session_.target(); }
  Failure failure(const HttpResponse& response) const { return session_.failure(response); }
  RetryWait retries(const RegistryCall& call) const {
    return {session_.clock(), session_.options(), call};
  }

 private:
  Result<void> put_manifest(const Image& image, const std::string& tag, const RegistryCall& call);
  Result<void> read_back(const Image& image, const std::vector<Blob>& blobs,
                         const RegistryCall& call);

  RegistrySession session_;
};

}  // namespace tunesmith::registry
