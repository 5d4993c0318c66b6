// A registry that is held: every request is answered 503, on a given port of 127.0.0.1.
#pragma once

#include <cstdint>
#include <memory>

namespace tunesmith::testing_support {

// Serves on a thread it owns until it is destroyed. Throws std::runtime_error when the port is
// taken.
class UnavailableServer {
 public:
  explicit UnavailableServer(std::uint16_t port);
  ~UnavailableServer();
  UnavailableServer(const UnavailableServer&) = delete;
  UnavailableServer& operator=(const UnavailableServer&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tunesmith::testing_support
