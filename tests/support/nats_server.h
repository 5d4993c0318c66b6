// A real nats-server with JetStream for tests: a port of the kernel's choice, a temporary store,
// and the ways a server can fail.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace tunesmith::testing {

// The servers that tests must hold on: Debian's (the floor) and the current one.
struct NatsBinary {
  std::string name;  // "nats_2_9", "nats_current"
  std::filesystem::path path;
};
std::vector<NatsBinary> nats_binaries();
NatsBinary current_nats_binary();

// Starts in the constructor and is listening when it returns; the destructor ends it and removes
// its store. Problems of the server throw: a test cannot go on.
class NatsServer {
 public:
  explicit NatsServer(const NatsBinary& binary, std::vector<std::string> more_arguments = {});
  ~NatsServer();
  NatsServer(const NatsServer&) = delete;
  NatsServer& operator=(const NatsServer&) = delete;

  std::string url() const;
  void kill_hard();   // SIGKILL
  void stop();        // SIGTERM, waits
  void start();       // again, on the same port and store
  void freeze();      // SIGSTOP
  void thaw();        // SIGCONT
  void wipe_store();  // of a stopped server

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tunesmith::testing
