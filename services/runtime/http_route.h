// Where a request's connection goes, as opposed to whom it is for: connect-to, proxies, the address
// guard.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/http_client.h"
#include "runtime/net_address.h"

namespace tunesmith {

struct Proxy {
  std::string host, user, password;
  int port = 0;
};

struct Route {
  std::optional<Proxy> proxy{};
  std::vector<NetAddress> addresses{};  // to be tried in turn; empty with a proxy
  std::uint16_t port = 0;
};

// What tells the addresses of a host; names may need a server.
using LookUp = std::function<Result<std::vector<NetAddress>>(const std::string& host)>;

// Resolves and judges. `subject` begins the messages. Transient `ConnectionFailed`, and
// what look_up says; Permanent
// `AddressNotAllowed`, `ConfigInvalid`.
Result<Route> find_route(const HttpClientOptions& options, const Url& url,
                         const std::string& subject, const LookUp& look_up);

}  // namespace tunesmith
