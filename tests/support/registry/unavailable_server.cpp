#include "registry/unavailable_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <chrono>
#include <stdexcept>
#include <thread>

namespace tunesmith::testing_support {

struct UnavailableServer::State {
  httplib::Server server;
  std::thread thread;
};

UnavailableServer::UnavailableServer(std::uint16_t port) : state_(std::make_unique<State>()) {
  auto& server = state_->server;
  // Not SO_REUSEPORT, httplib's own choice: whoever listens there afterwards could not.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server.set_pre_routing_handler([](const httplib::Request&, httplib::Response& response) {
    response.status = 503;
    return httplib::Server::HandlerResponse::Handled;
  });
  if (!server.bind_to_port("127.0.0.1", port)) throw std::runtime_error("the port is taken");
  state_->thread = std::thread([&server] { server.listen_after_bind(); });
  // stop() does nothing before the server runs.
  while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

UnavailableServer::~UnavailableServer() {
  state_->server.stop();
  state_->thread.join();
}

}  // namespace tunesmith::testing_support
