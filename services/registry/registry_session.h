// Authorised requests to one repository of one registry, retried while the registry is away.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <stop_token>
#include <string>

#include "registry/registry_auth.h"
#include "runtime/clock.h"
#include "runtime/http_client.h"
#include "runtime/result.h"
#include "runtime/retry.h"
#include "workspace/image_reference.h"

namespace tunesmith::registry {

using workspace::ImageReference;

struct RegistryOptions {
  std::set<std::string>
      insecure_registries;  // host:port spoken to over plain HTTP; all others: TLS only
  std::uint64_t chunk_bytes = 32u << 20;  // of an upload in pieces
  std::uint64_t single_put_bytes =
      64u << 20;  // larger blobs go in pieces: registries close very large single PUTs
  std::chrono::milliseconds request_timeout{30'000};  // of a request that carries no blob
  BackoffPolicy backoff;
  std::uint64_t seed = 0;  // of the back-off's jitter
};

// For registries that users name: addresses are guarded, but for the operator's own registries,
// which may be anywhere and are listed (RegistryOptions::insecure_registries).
HttpClientOptions guarded_for_registries(HttpClientOptions http,
                                         const std::set<std::string>& insecure_registries);

// How long a job on a registry may take and who is told of it. Called on the calling thread.
struct RegistryCall {
  std::stop_token stop;  // ends it with Transient `Stopped`
  Clock::SteadyTime deadline = Clock::SteadyTime::max();
  std::function<void(const Failure&)> on_wait = nullptr;  // before each wait: what is being retried
  std::function<void(std::uint64_t)> on_progress =
      nullptr;        // uploads: bytes of this blob that were sent
  bool waits = true;  // false: one try, whoever calls comes again later
};

// Waits between the tries of one job. One thread at a time.
class RetryWait {
 public:
  RetryWait(const Clock& clock, const RegistryOptions& options, const RegistryCall& call)
      : clock_(clock), call_(call), backoff_(options.backoff, options.seed) {}
  // True when it is time to try again; false when the call does not wait, when stopped, or past the
  // deadline: give up with `failure`, which then says so.
  bool again(Failure& failure, std::chrono::milliseconds at_least);
  void reset() { backoff_.reset(); }

 private:
  const Clock& clock_;
  const RegistryCall& call_;
  Backoff backoff_;
};

// Thread-safe. `http` and `clock` outlive it.
class RegistrySession {
 public:
  RegistrySession(const HttpClient& http, const Clock& clock, RegistryOptions options,
                  ImageReference target, RegistryCredentials credentials,
                  Access access = Access::kPush);

  // `path` below /v2/<repository>, with a leading slash.
  std::string url(const std::string& path) const;
  // A Location header as an absolute URL. Permanent `PushRefused` when it would leave TLS or is no
  // URL.
  Result<std::string> resolve(const std::string& location) const;

  // One try: adds our authorisation (only for the registry's own host) and answers one challenge.
  Result<HttpResponse> send_once(HttpRequest request, const RegistryCall& call);
  // Tries until an answer comes that is not transient; transient ones are waited out until the
  // deadline.
  Result<HttpResponse> send(const HttpRequest& request, const RegistryCall& call);

  Failure failure(const HttpResponse& response) const;  // see registry_failure
  const ImageReference& target() const { return target_; }
  const RegistryOptions& options() const { return options_; }
  const Clock& clock() const { return clock_; }

 private:
  bool is_ours(const std::string& url) const;
  void bound(HttpRequest& request, const RegistryCall& call) const;

  const HttpClient& http_;
  const Clock& clock_;
  const RegistryOptions options_;
  const ImageReference target_;
  const Access access_;
  const std::string base_;   // "https://host:port"
  const std::string scope_;  // "repository:a/b:pull,push"
  RegistryAuth auth_;
};

}  // namespace tunesmith::registry
