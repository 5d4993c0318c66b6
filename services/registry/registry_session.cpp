#include "registry/registry_session.h"

#include <algorithm>
#include <utility>

#include "registry/registry_errors.h"

namespace tunesmith::registry {

namespace {

bool is_plain(const RegistryOptions& options, const ImageReference& target) {
  return options.insecure_registries.contains(target.registry);
}

// Docker Hub's API is at another host than its name.
std::string api_host(const ImageReference& target) {
  return target.registry == "docker.io" ? "registry-1.docker.io" : target.registry;
}

}  // namespace

HttpClientOptions guarded_for_registries(HttpClientOptions http,
                                         const std::set<std::string>& insecure_registries) {
  http.guard_addresses = true;
  http.allowed_hosts.insert(insecure_registries.begin(), insecure_registries.end());
  return http;
}

bool RetryWait::again(Failure& failure, std::chrono::milliseconds at_least) {
  using std::chrono::milliseconds;
  if (!call_.waits || failure.reason == "Stopped" || call_.stop.stop_requested()) return false;
  const auto left = std::chrono::duration_cast<milliseconds>(call_.deadline - clock_.steady_now());
  if (left <= milliseconds(0)) {
    failure.message += "; gave up after " + std::to_string(backoff_.tries() + 1) + " tries";
    return false;
  }
  if (call_.on_wait) call_.on_wait(failure);
  return wait_for(std::min(std::max(backoff_.next(), at_least), left), call_.stop);
}

RegistrySession::RegistrySession(const HttpClient& http, const Clock& clock,
                                 RegistryOptions options, ImageReference target,
                                 RegistryCredentials credentials, Access access)
    : http_(http),
      clock_(clock),
      options_(std::move(options)),
      target_(std::move(target)),
      access_(access),
      base_((is_plain(options_, target_) ? "http://" : "https://") + api_host(target_)),
      scope_("repository:" + target_.repository +
             (access == Access::kPush ? ":pull,push" : ":pull")),
      auth_(http, target_.registry, std::move(credentials), is_plain(options_, target_), access) {}

std::string RegistrySession::url(const std::string& path) const {
  return base_ + "/v2/" + target_.repository + path;
}

bool RegistrySession::is_ours(const std::string& url) const {
  const auto ours = parse_url(base_), other = parse_url(url);
  return ours && other && ours->scheme == other->scheme && ours->host == other->host &&
         ours->port == other->port;
}

Result<std::string> RegistrySession::resolve(const std::string& location) const {
  if (location.starts_with("/")) return base_ + location;
  const auto ours = parse_url(base_), other = parse_url(location);
  if (!ours || !other) {
    return permanent("PushRefused", "registry " + target_.registry +
                                        " names an upload that is no URL: " + redact_url(location));
  }
  // Registries behind a TLS proxy often think that they are spoken to in plain text.
  if (ours->scheme == "https" && other->scheme == "http") {
    if (other->host == ours->host) {
      return base_ + other->path + (other->query.empty() ? "" : "?" + other->query);
    }
    return permanent("PushRefused", "registry " + target_.registry +
                                        " sends the upload over plain HTTP to " +
                                        redact_url(location));
  }
  return location;
}

// However slowly a registry sends or takes a blob: its deadline is that of the call. What begins
// just before it has the time of a request.
void RegistrySession::bound(HttpRequest& request, const RegistryCall& call) const {
  using std::chrono::milliseconds;
  if (call.deadline == Clock::SteadyTime::max() || request.total_timeout.count() != 0) return;
  const auto left = std::chrono::duration_cast<milliseconds>(call.deadline - clock_.steady_now());
  request.total_timeout = std::max(left, options_.request_timeout);
}

Result<HttpResponse> RegistrySession::send_once(HttpRequest request, const RegistryCall& call) {
  request.stop = call.stop;
  bound(request, call);
  const bool ours = is_ours(request.url);
  const auto authorise = [&request](const std::string& header) {
    request.headers.erase("Authorization");
    if (!header.empty()) request.headers.emplace("Authorization", header);
  };
  if (ours) authorise(auth_.cached(scope_));
  auto response = http_.send(request);
  if (!response || response->status != 401 || !ours) return response;
  // A token may have expired meanwhile; a second refusal is one.
  const auto header = auth_.answer(*response, scope_, call.stop);
  if (!header) return tl::unexpected(header.error());
  authorise(*header);
  return http_.send(request);
}

Result<HttpResponse> RegistrySession::send(const HttpRequest& request, const RegistryCall& call) {
  RetryWait wait(clock_, options_, call);
  while (true) {
    auto response = send_once(request, call);
    std::chrono::milliseconds at_least{0};
    Failure failed;
    if (response) {
      failed = failure(*response);
      if (response->status < 400 || failed.failure_class != FailureClass::kTransient)
        return response;
      at_least = retry_after(*response).value_or(std::chrono::seconds(0));
    } else {
      failed = response.error();
      if (failed.failure_class != FailureClass::kTransient) return response;
    }
    if (!wait.again(failed, at_least)) return tl::unexpected(failed);
  }
}

Failure RegistrySession::failure(const HttpResponse& response) const {
  return registry_failure(response, "registry " + target_.registry, scope_, access_);
}

}  // namespace tunesmith::registry
