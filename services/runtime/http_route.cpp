#include "runtime/http_route.h"

#include <algorithm>

#include "runtime/host_guard.h"
#include "runtime/percent.h"

namespace tunesmith {
namespace {

std::string origin(const Url& url) { return url.host + ":" + std::to_string(url.port); }

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

std::optional<HostPort> parse_host_port(const std::string& text) {
  const auto url = parse_url("http://" + text);
  if (!url || url->path != "/" || text.find_last_of(":]") == std::string::npos) return std::nullopt;
  return HostPort{url->host, url->port};
}

// "http://user:password@host:port".
std::optional<Proxy> parse_proxy(std::string text) {
  if (const std::size_t scheme = text.find("://"); scheme != std::string::npos) {
    if (text.substr(0, scheme) != "http") return std::nullopt;
    text.erase(0, scheme + 3);
  }
  Proxy proxy;
  if (const std::size_t at = text.rfind('@'); at != std::string::npos) {
    const std::string login = text.substr(0, at);
    const std::size_t colon = std::min(login.find(':'), login.size());
    proxy.user = percent_decode(login.substr(0, colon));
    if (colon < login.size()) {
      proxy.password = percent_decode(login.substr(colon + 1));
    }
    text.erase(0, at + 1);
  }
  const auto url = parse_url("http://" + text);
  if (!url) return std::nullopt;
  proxy.host = url->host;
  proxy.port = url->port;
  return proxy;
}

// The address guard of one request.
class Guard {
 public:
  Guard(const HttpClientOptions& options, const Url& url, const std::string& subject)
      : url_(url),
        subject_(subject),
        on_(options.guard_addresses && !host_allowed(options.allowed_hosts, url.host, url.port)) {}

  // Before any server is asked for the name; through a proxy it is all there is to judge.
  Result<void> judge_spelling() const {
    const auto problem = on_ ? host_problem(url_.host) : std::nullopt;
    return problem ? refused(*problem) : Result<void>();
  }
  // Refuses when any address is refused: a name that mixes public and private ones is an attack,
  // not a load balancer.
  Result<void> judge(const std::vector<NetAddress>& addresses) const {
    for (const NetAddress& address : addresses) {
      if (const auto what = on_ ? address_problem(address) : std::nullopt) {
        return refused(url_.host + " leads to " + address.text + ", " + std::string(*what) +
                       " address");
      }
    }
    return {};
  }

 private:
  Result<void> refused(const std::string& why) const {
    return permanent("AddressNotAllowed",
                     subject_ + ": " + why +
                         "; expected a host of the public internet; if this one is meant, the "
                         "operator can add it to allowed_data_hosts");
  }
  const Url& url_;
  const std::string& subject_;
  bool on_;
};

}  // namespace

Result<Route> find_route(const HttpClientOptions& options, const Url& url,
                         const std::string& subject, const LookUp& look_up) {
  const Guard guard(options, url, subject);
  if (auto spelt = guard.judge_spelling(); !spelt) return tl::unexpected(spelt.error());
  const auto redirected = options.connect_to.find(origin(url));
  Route route{std::nullopt, {}, url.port};
  std::string host = url.host;
  if (redirected != options.connect_to.end()) {
    const auto target = parse_host_port(redirected->second);
    if (!target) {
      return permanent("ConfigInvalid", "connect_to: expected ADDRESS:PORT for " + origin(url) +
                                            ", found '" + redirected->second + "'");
    }
    host = target->host;
    route.port = target->port;
  } else if (const std::string& text =
                 url.scheme == "https" ? options.https_proxy : options.http_proxy;
             !text.empty() && !matches_no_proxy(options.no_proxy, url.host, url.port)) {
    route.proxy = parse_proxy(text);
    if (!route.proxy) {
      return permanent("ConfigInvalid", "the proxy '" + redact_url(text) +
                                            "' is not usable: expected http://HOST:PORT");
    }
    // A name is resolved by the proxy, which must guard its own network.
    return route;
  }
  auto addresses = look_up(host);
  if (!addresses) {
    return tl::unexpected(Failure{FailureClass::kTransient, addresses.error().reason,
                                  subject + ": " + addresses.error().message});
  }
  if (auto judged = guard.judge(*addresses); !judged) return tl::unexpected(judged.error());
  route.addresses = *std::move(addresses);
  return route;
}

}  // namespace tunesmith
