// The real docker-registry as a child process: on a port of the kernel's, in a temporary folder,
// killed and started again at will.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "runtime/process.h"
#include "temp_folder.h"

namespace tunesmith::testing_support {

// One user allowed to do everything (htpasswd).
struct RegistryUser {
  std::string name, password;
};

// Bearer tokens by the distribution project's token protocol.
struct RegistryTokenAuth {
  std::string realm;  // URL of the token server
  std::string service, issuer;
  std::filesystem::path certificate;  // PEM of whoever signs the tokens
};

struct DockerRegistryOptions {
  std::optional<RegistryUser> user = std::nullopt;
  std::optional<RegistryTokenAuth> token = std::nullopt;
  std::optional<std::uint16_t> port = std::nullopt;  // nullopt: the kernel chooses
};

// Everything it made is gone with it. Throws std::runtime_error when it cannot be started: a broken
// test machine. One thread at a time.
class DockerRegistry {
 public:
  explicit DockerRegistry(DockerRegistryOptions options = {});
  DockerRegistry(const DockerRegistry&) = delete;
  DockerRegistry& operator=(const DockerRegistry&) = delete;

  void kill();     // SIGKILL
  void restart();  // on the same port, with the same content
  std::uint16_t port() const { return port_; }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  // Number of lines of its access log that hold `text` so far, e.g. "PATCH /v2/".
  int logged(const std::string& text) const;
  std::filesystem::path folder() const { return folder_.path(); }

 private:
  void write_config(const std::string& address);
  void start();

  const DockerRegistryOptions options_;
  TempFolder folder_;
  std::uint16_t port_ = 0;
  std::optional<Process> process_;
};

}  // namespace tunesmith::testing_support
