// Servers for tests of whoever uses the HTTP client.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>

namespace tunesmith {

// A real server on a port of the kernel's choice.
template <typename Server = httplib::Server>
class Serving {
 public:
  template <typename... Arguments>
  explicit Serving(Arguments&&... arguments) : server(std::forward<Arguments>(arguments)...) {
    server.new_task_queue = [] { return new httplib::ThreadPool(4); };
    server.set_keep_alive_timeout(1);
    port = server.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server.listen_after_bind(); });
    while (!server.is_running()) std::this_thread::yield();
  }
  ~Serving() {
    server.stop();
    thread_.join();
  }
  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port) + path;
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port); }

  Server server;
  int port = 0;

 private:
  std::thread thread_;
};

// A listening socket that never answers.
class SilentServer {
 public:
  SilentServer() {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port = ntohs(address.sin_port);
  }
  ~SilentServer() { ::close(socket_); }
  int port = 0;

 private:
  int socket_ = -1;
};

}  // namespace tunesmith
