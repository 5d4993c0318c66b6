#include "registry/odd_registry.h"

#include <httplib.h>

#include <chrono>
#include <mutex>
#include <thread>

namespace tunesmith::testing_support {

struct OddRegistry::State {
  OddRegistryOptions options;
  httplib::Server server;
  int port = 0;
  mutable std::mutex mutex;
  bool open = false;
  int uploads = 0;
  std::string received, blob;
  std::vector<std::string> requests;
  std::thread thread;

  std::string path() const { return "/v2/a/blobs/uploads/" + std::to_string(uploads); }
  void locate(httplib::Response& response) const {
    response.set_header("Location", options.absolute_location
                                        ? "http://127.0.0.1:" + std::to_string(port) + path() +
                                              "?state=" + std::to_string(received.size())
                                        : path());
    if (!received.empty()) {
      response.set_header("Range", "0-" + std::to_string(received.size() - 1));
    }
  }
  bool ours(const httplib::Request& request) const {
    return open && request.path == path() &&
           (!options.absolute_location ||
            request.get_param_value("state") == std::to_string(received.size()));
  }
  void begin(httplib::Response& response);
  void chunk(const httplib::Request& request, httplib::Response& response);
  void commit(const httplib::Request& request, httplib::Response& response);
  void route();
};

void OddRegistry::State::begin(httplib::Response& response) {
  open = true;
  received.clear();
  ++uploads;
  response.status = 202;
  locate(response);
  if (options.chunk_minimum > 0) {
    response.set_header("OCI-Chunk-Min-Length", std::to_string(options.chunk_minimum));
  }
}

void OddRegistry::State::chunk(const httplib::Request& request, httplib::Response& response) {
  const std::string range = request.get_header_value("Content-Range");
  if (options.busy_answers > 0) {
    --options.busy_answers;
    response.set_header("Retry-After", "0");
    response.status = 429;
  } else if (options.forgotten_uploads > 0 || !open) {
    --options.forgotten_uploads;
    open = false;
    response.status = 404;
  } else if (!range.starts_with(std::to_string(received.size()) + "-") || !ours(request)) {
    response.status = 416;
    locate(response);
  } else if (options.deaf_answers > 0) {
    --options.deaf_answers;
    response.status = 202;
    locate(response);
    if (received.empty()) response.set_header("Range", "0-0");
  } else if (options.lost_chunks > 0) {
    --options.lost_chunks;
    received += request.body.substr(0, request.body.size() / 2);
    response.status = 500;
  } else {
    received += request.body;
    response.status = 202;
    locate(response);
  }
}

void OddRegistry::State::commit(const httplib::Request& request, httplib::Response& response) {
  if (options.wrong_digests != 0) {
    if (options.wrong_digests > 0) --options.wrong_digests;
    open = false;
    response.status = 400;
    response.set_content(R"({"errors":[{"code":"DIGEST_INVALID","message":"odd"}]})",
                         "application/json");
    return;
  }
  response.status = ours(request) ? 201 : 404;
  if (ours(request)) blob = received + request.body;
  open = false;
}

void OddRegistry::State::route() {
  const auto guarded = [this](auto handler) {
    return [this, handler](const httplib::Request& request, httplib::Response& response) {
      const std::lock_guard lock(mutex);
      const std::string range = request.get_header_value("Content-Range");
      requests.push_back(request.method + (range.empty() ? "" : " " + range));
      handler(request, response);
    };
  };
  server.Post("/v2/a/blobs/uploads/",
              guarded([this](const auto&, auto& response) { begin(response); }));
  server.Patch("/v2/a/blobs/uploads/\\d+",
               guarded([this](const auto& request, auto& response) { chunk(request, response); }));
  server.Put("/v2/a/blobs/uploads/\\d+",
             guarded([this](const auto& request, auto& response) { commit(request, response); }));
  server.Get("/v2/a/blobs/uploads/\\d+", guarded([this](const auto& request, auto& response) {
               response.status = open && request.path == path() ? 204 : 404;
               locate(response);
               if (received.empty()) response.set_header("Range", "0-0");
             }));
}

OddRegistry::OddRegistry(OddRegistryOptions options) : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->route();
  state_->port = state_->server.bind_to_any_port("127.0.0.1");
  state_->thread = std::thread([this] { state_->server.listen_after_bind(); });
  // stop() does nothing before the server runs.
  while (!state_->server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

OddRegistry::~OddRegistry() {
  state_->server.stop();
  state_->thread.join();
}

std::string OddRegistry::host() const { return "127.0.0.1:" + std::to_string(state_->port); }

std::string OddRegistry::blob() const {
  const std::lock_guard lock(state_->mutex);
  return state_->blob;
}

std::vector<std::string> OddRegistry::requests() const {
  const std::lock_guard lock(state_->mutex);
  return state_->requests;
}

}  // namespace tunesmith::testing_support
