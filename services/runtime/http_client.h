// The one HTTP client of the services: proxies, private CAs, redirects, connect-to overrides, an
// address guard, deadlines.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config.h"
#include "runtime/name_lookup.h"
#include "runtime/net_address.h"
#include "runtime/result.h"

namespace tunesmith {

struct HttpClientOptions {
  // "host:port" → "address:port" to connect to instead, like curl's --connect-to. TLS names and
  // Host stay the original ones.
  std::map<std::string, std::string> connect_to{};
  std::string ca_file{};  // additional CA bundle (PEM); empty = the system's only
  // Proxy URLs; `no_proxy` as in curl. from_config() takes them from HTTPS_PROXY, HTTP_PROXY,
  // NO_PROXY.
  std::string http_proxy{}, https_proxy{}, no_proxy{};
  // With guard_addresses on, hosts and addresses that do not lead to the public internet are
  // refused
  // (`AddressNotAllowed`, host_guard.h), judged by the host's spelling and by the address that is
  // really connected to, at first and on every redirect, but for hosts in allowed_hosts ("host" or
  // "host:port").
  bool guard_addresses = false;
  std::set<std::string> allowed_hosts{};
  // Called once per connection, for names, on a thread that may outlive the client
  // (name_lookup.h); null = resolve_host(), the system's resolver.
  NameLookup::Resolver resolve{};
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{60'000};  // that long without a byte ends the request
  int max_redirects = 5;

  // Keys connect_to, ca_file, allowed_data_hosts, connect_limit, idle_limit, plus the proxy
  // variables.
  static HttpClientOptions from_config(ConfigReader& config);
};

// Header names compare without regard to case.
struct CaseInsensitiveLess {
  bool operator()(const std::string& a, const std::string& b) const;
};
using HttpHeaders = std::multimap<std::string, std::string, CaseInsensitiveLess>;

struct HttpResponse {
  int status = 0;
  HttpHeaders headers{};
  std::string body{};
  std::string final_url{};  // after redirects

  // First value of a header, or empty.
  std::string header(const std::string& name) const;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url{};  // absolute, http or https
  HttpHeaders headers{};
  // The body: either bytes, or a provider of exactly body_size bytes called with offset and at most
  // max bytes to return (it may be called again from 0 after a redirect or an authentication
  // answer).
  std::string body{};
  std::function<std::string(std::uint64_t offset, std::size_t max)> body_provider{};
  std::uint64_t body_size = 0;
  // Called with pieces of a 2xx body as they arrive, and the head (status and headers, no body)
  // they belong to: whoever resumes must see whether the answer is a 206. Returning false ends the
  // request, which is a success then. Without it the body is collected, up to max_body_bytes (more
  // = `ResponseTooLarge`). Bodies of other answers are always collected, up to 64 KiB.
  std::function<bool(const HttpResponse& head, std::string_view piece)> on_body{};
  std::uint64_t max_body_bytes = 16u << 20;
  bool follow_redirects = true;  // credentials (Authorization) are dropped when the host changes
  std::chrono::milliseconds total_timeout{0};  // 0 = none
  std::stop_token stop{};                      // a stop ends the request with Transient `Stopped`
};

// Thread-safe; connections are not kept across requests of different hosts. An answer of any status
// is a success here; Failure means that no complete answer came: Transient `ConnectionFailed`,
// `ConnectionLost`, `TimedOut`, `Stopped`; Permanent `TlsNotTrusted`, `UrlInvalid`,
// `AddressNotAllowed`, `TooManyRedirects`, `ResponseTooLarge`. Messages name method, host and path,
// never query or credentials.
class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options);
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;

  Result<HttpResponse> send(const HttpRequest& request) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The parts of an absolute URL; path always starts with '/', query is without '?'.
struct Url {
  std::string scheme, host, path, query;  // host in lower case, IPv6 without brackets
  std::uint16_t port = 0;                 // the scheme's own when none is written
};
Result<Url> parse_url(std::string_view url);

// The URL without user info, query and fragment, to be shown to people.
std::string redact_url(std::string_view url);

// Seconds (or date) of Retry-After, if the answer has one that can be read; at most 10 minutes.
std::optional<std::chrono::seconds> retry_after(const HttpResponse& response);

}  // namespace tunesmith
