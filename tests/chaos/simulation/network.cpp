// Stands in for runtime/http_exchange.cpp: one request on one new connection, over the simulated
// network. All above it (redirects, retries, resumption, registry protocol) is the services' own.
#include "simulation/network.h"

#include "runtime/http_exchange.h"
#include "runtime/retry.h"
#include "simulation/world.h"

namespace tunesmith {

using simulation::kMillisecond;
using simulation::kSecond;
using simulation::Time;
using simulation::World;

Result<void*> TrustStore::share() { return nullptr; }

std::string describe(const std::string& method, const std::string& redacted_url) {
  return method + " " + redacted_url;
}

namespace {

Time away_until(const World& world, const std::string& host) {
  const auto& weather = const_cast<World&>(world).weather();
  if (host == simulation::kRegistryHost) return weather.registry_away_until;
  if (host == simulation::kHubHost) return weather.hub_away_until;
  return weather.data_away_until;
}

HttpResponse served(World& world, const HttpRequest& request, const Url& url) {
  if (url.host == simulation::kRegistryHost) return world.registry().answer(request, url);
  if (url.host == simulation::kHubHost) return simulation::hub_answer(request, url);
  return simulation::data_answer(request, url);
}

// Waits like a request does: until the time is over, a stop or the request's deadline.
Result<void> pass_time(Time time, const HttpRequest& request, Time deadline,
                       const std::string& what) {
  World& world = *simulation::world();
  const Time wait = std::min(time, std::max<Time>(0, deadline - world.now()));
  if (!wait_for(std::chrono::milliseconds(wait / kMillisecond + 1), request.stop)) {
    return transient("Stopped", what + " was stopped");
  }
  if (world.now() >= deadline) return transient("TimedOut", what + " took too long");
  return {};
}

Result<void> while_away(const HttpRequest& request, const Url& url, Time deadline,
                        const std::string& what) {
  World& world = *simulation::world();
  const Time until = away_until(world, url.host);
  if (world.now() >= until) return {};
  simulation::Random& random = world.chance("network");
  if (random.chance(0.5)) {
    if (auto passed = pass_time(50 * kMillisecond, request, deadline, what); !passed) return passed;
    return transient("ConnectionFailed", what + ": nobody answers");
  }
  if (auto passed = pass_time(until - world.now(), request, deadline, what); !passed) return passed;
  return transient("ConnectionLost", what + ": the connection was lost");
}

// In two pieces, between which the connection may break.
Result<void> deliver(const HttpRequest& request, HttpResponse& response, Time deadline,
                     const std::string& what) {
  if (response.status / 100 != 2 || !request.on_body) return {};
  World& world = *simulation::world();
  const std::string body = std::move(response.body);
  response.body.clear();
  const std::size_t half = body.size() / 2;
  if (!request.on_body(response, std::string_view(body).substr(0, half))) return {};
  if (auto passed = pass_time(world.lag(), request, deadline, what); !passed) return passed;
  if (world.chance("network").chance(world.weather().answer_loss)) {
    return transient("ConnectionLost", what + ": the connection was lost");
  }
  static_cast<void>(request.on_body(response, std::string_view(body).substr(half)));
  return {};
}

}  // namespace

Result<HttpResponse> exchange(const HttpClientOptions&, TrustStore&, const NameLookup&,
                              const HttpRequest& request, const Url& url, RequestCutter&) {
  World& world = *simulation::world();
  const std::string what = describe(request.method, redact_url(request.url));
  const Time deadline = request.total_timeout.count() == 0
                            ? simulation::kNever
                            : world.now() + request.total_timeout.count() * kMillisecond;
  if (auto there = while_away(request, url, deadline, what); !there) {
    return tl::unexpected(there.error());
  }
  const std::string operation = request.method + " " + url.host;
  world.before(operation);
  if (request.stop.stop_requested()) return transient("Stopped", what + " was stopped");
  HttpResponse response = served(world, request, url);
  if (request.method != "GET" && request.method != "HEAD") {
    world.story().tell(world.who(), "{} → {}", what, response.status);
  }
  world.after(operation);
  simulation::Random& random = world.chance("network");
  if (world.weather().answer_loss > 0 && random.chance(world.weather().answer_loss)) {
    if (random.chance(0.3)) {
      HttpResponse busy{.status = 503};
      return busy;
    }
    return transient("ConnectionLost", what + ": the answer was lost");
  }
  if (auto delivered = deliver(request, response, deadline, what); !delivered) {
    return tl::unexpected(delivered.error());
  }
  return response;
}

}  // namespace tunesmith
