#include "registry/docker_registry.h"

#include <signal.h>

#include <charconv>
#include <chrono>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace tunesmith::testing_support {

namespace {

using namespace std::chrono_literals;

constexpr auto kStartLimit = 60s;
constexpr std::string_view kListening = "listening on 127.0.0.1:";

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

DockerRegistry::DockerRegistry(DockerRegistryOptions options) : options_(std::move(options)) {
  port_ = options_.port.value_or(0);
  start();
}

void DockerRegistry::kill() {
  process_->signal(SIGKILL);
  process_->wait({}, std::nullopt);
  process_.reset();
}

void DockerRegistry::restart() {
  if (process_) kill();
  start();
}

int DockerRegistry::logged(const std::string& text) const {
  const std::string log = read(folder_.path() / "log");
  int count = 0;
  for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++count;
  return count;
}

// http.secret signs the state in upload URLs: without one of its own, a restarted registry refuses
// its own uploads.
void DockerRegistry::write_config(const std::string& address) {
  std::ofstream out(folder_.path() / "config.yml");
  out << "version: 0.1\nlog: {level: info, accesslog: {disabled: false}}\n"
      << "storage: {filesystem: {rootdirectory: " << (folder_.path() / "data").string() << "}}\n"
      << "http: {addr: \"" << address << "\", secret: of-tests}\n";
  if (options_.user) {
    out << "auth: {htpasswd: {realm: tests, path: " << (folder_.path() / "htpasswd").string()
        << "}}\n";
  }
  if (const auto& token = options_.token) {
    out << "auth: {token: {realm: \"" << token->realm << "\", service: \"" << token->service
        << "\", issuer: \"" << token->issuer
        << "\", rootcertbundle: " << token->certificate.string() << "}}\n";
  }
}

void DockerRegistry::start() {
  if (options_.user) {
    const auto hashed = run_process(
        {.argv = {"htpasswd", "-Bbn", "-C", "4", options_.user->name, options_.user->password}},
        30s, {});
    if (!hashed || hashed->status.code != 0) throw std::runtime_error("htpasswd failed");
    std::ofstream(folder_.path() / "htpasswd") << hashed->output;
  }
  write_config("127.0.0.1:" + std::to_string(port_));
  const auto log_before = read(folder_.path() / "log").size();
  auto process = Process::start(
      {.argv = {"docker-registry", "serve", (folder_.path() / "config.yml").string()},
       .log_file = folder_.path() / "log"});
  if (!process) throw std::runtime_error(process.error().message);
  process_ = std::move(*process);
  // It logs its address once it listens.
  for (const auto until = std::chrono::steady_clock::now() + kStartLimit;
       std::chrono::steady_clock::now() < until;) {
    const std::string log = read(folder_.path() / "log").substr(log_before);
    const auto at = log.find(kListening);
    if (at != std::string::npos) {
      const char* digits = log.data() + at + kListening.size();
      std::from_chars(digits, log.data() + log.size(), port_);
      return;
    }
    if (process_->wait({}, 20ms)) throw std::runtime_error("docker-registry ended: " + log);
  }
  throw std::runtime_error("docker-registry does not listen");
}

}  // namespace tunesmith::testing_support
