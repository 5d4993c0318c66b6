// Looking host names up without being held by a resolver that does not answer: getaddrinfo cannot
// be interrupted. Internal to the HTTP client.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "runtime/net_address.h"
#include "runtime/result.h"

namespace tunesmith {

// Thread-safe.
//
// Each look-up runs on a thread of its own that nobody joins: it ends when the resolver does (whose
// own time-outs are some 30 s), owns everything it touches, and so may outlive this object and the
// end of main. At most kMost are under way; more are refused, so that a dead resolver costs no more
// threads than that.
class NameLookup {
 public:
  using Resolver = std::function<Result<std::vector<NetAddress>>(const std::string& host)>;
  static constexpr int kMost = 64;

  // An empty `resolver` = resolve_host.
  explicit NameLookup(Resolver resolver);

  // Waits for the answer until `stop` (Transient `Stopped`) or for `limit` (Transient `TimedOut`);
  // else as the resolver says. Numbers are answered at once.
  Result<std::vector<NetAddress>> look_up(const std::string& host, std::chrono::milliseconds limit,
                                          std::stop_token stop) const;
  // Those the resolver has not answered.
  int under_way() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace tunesmith
