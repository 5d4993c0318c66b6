#include "runtime/admin_server.h"

#include <httplib.h>
#include <prometheus/text_serializer.h>

#include <atomic>
#include <charconv>
#include <thread>

namespace tunesmith {
namespace {

struct Address {
  std::string host;
  int port = 0;
};

// "127.0.0.1:0" or "[::1]:8080".
std::optional<Address> parse_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  Address address{text.substr(0, colon), 0};
  if (address.host.front() == '[' && address.host.back() == ']') {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data() + colon + 1, last, address.port);
  if (error != std::errc() || end != last || address.port < 0 || address.port > 65535) {
    return std::nullopt;
  }
  return address;
}

void answer_health(const HealthCheck& check, httplib::Response& response) {
  const std::optional<std::string> problem = check ? check() : std::nullopt;
  response.status = problem ? 503 : 200;
  response.set_content(problem.value_or("ok") + "\n", "text/plain");
}

class HttpAdminServer final : public AdminServer {
 public:
  HttpAdminServer(std::shared_ptr<prometheus::Registry> registry, HealthCheck health,
                  HealthCheck ready) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(2); };
    server_.set_keep_alive_timeout(1);  // bounds how long stopping waits for an idle scraper
    server_.set_payload_max_length(4096);
    server_.Get("/metrics", [registry = std::move(registry)](const httplib::Request&,
                                                             httplib::Response& response) {
      response.set_content(prometheus::TextSerializer().Serialize(registry->Collect()),
                           "text/plain; version=0.0.4");
    });
    server_.Get("/healthz",
                [health = std::move(health)](const httplib::Request&, httplib::Response& response) {
                  answer_health(health, response);
                });
    server_.Get("/readyz",
                [ready = std::move(ready)](const httplib::Request&, httplib::Response& response) {
                  answer_health(ready, response);
                });
  }

  ~HttpAdminServer() override {
    if (!thread_.joinable()) return;
    // stop() does nothing before the thread has begun to accept.
    while (!server_.is_running() && !ended_) std::this_thread::yield();
    server_.stop();
    thread_.join();
  }

  bool listen(const Address& address) {
    port_ = address.port == 0 ? server_.bind_to_any_port(address.host)
            : server_.bind_to_port(address.host, address.port) ? address.port
                                                               : -1;
    if (port_ <= 0) return false;
    thread_ = std::thread([this] {
      server_.listen_after_bind();
      ended_ = true;
    });
    return true;
  }

  std::uint16_t port() const override { return static_cast<std::uint16_t>(port_); }

 private:
  httplib::Server server_;
  int port_ = -1;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<AdminServer>> AdminServer::start(
    const std::string& address, std::shared_ptr<prometheus::Registry> registry, HealthCheck health,
    HealthCheck ready) {
  const auto parsed = parse_address(address);
  if (!parsed) {
    return permanent("ConfigInvalid",
                     "admin_address: expected HOST:PORT like 127.0.0.1:0, found '" + address + "'");
  }
  auto server =
      std::make_unique<HttpAdminServer>(std::move(registry), std::move(health), std::move(ready));
  if (!server->listen(*parsed)) {
    return permanent("AddressInUse",
                     "cannot listen on admin_address " + address +
                         "; is another process there, or is it not of this machine?");
  }
  return std::unique_ptr<AdminServer>(std::move(server));
}

}  // namespace tunesmith
