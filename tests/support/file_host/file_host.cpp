#include "file_host/file_host.h"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "file_host/model_hub.h"
#include "file_host/transfer.h"

namespace tunesmith::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxRemembered = 10'000;
constexpr std::size_t kThreads = 32;  // a stalled answer keeps one

// Hidden names and "..": nothing outside the folder, nothing that is not meant to be seen.
bool is_plain_path(const std::string& path) {
  return std::ranges::none_of(fs::path(path),
                              [](const fs::path& part) { return part.string().starts_with("."); });
}

void answer_error(httplib::Response& response, int status, const std::string& code,
                  const std::string& message) {
  response.status = status;
  if (!code.empty()) response.set_header("X-Error-Code", code);
  response.set_content(nlohmann::json{{"error", message}}.dump(), "application/json");
}

std::string query_of(const httplib::Request& request) {
  std::string query;
  for (const auto& [key, value] : request.params)
    query += fmt::format("{}{}={}", query.empty() ? "" : "&", key, value);
  return query;
}

}  // namespace

class FileHost::Impl {
 public:
  explicit Impl(Options options) : root_(std::move(options.root)) {
    faults_.replace(std::move(options.faults));
  }

  ~Impl() {
    stop_.request();
    server_.stop();
    if (listener_.joinable()) listener_.join();
  }

  std::optional<std::string> listen(int port) {
    server_.new_task_queue = [] {
      return new httplib::ThreadPool(kThreads);
    };  // the server owns it
    server_.set_keep_alive_max_count(
        1);  // an idle connection would hold the destructor for its time-out
    server_.set_tcp_nodelay(true);
    server_.Get(".*", [this](const auto& request, auto& response) { get(request, response); });
    server_.Put("/_control/faults",
                [this](const auto& request, auto& response) { put_faults(request, response); });
    port_ = port == 0 ? server_.bind_to_any_port("127.0.0.1")
                      : (server_.bind_to_port("127.0.0.1", port) ? port : -1);
    if (port_ < 0) return fmt::format("cannot listen on 127.0.0.1:{}", port);
    listener_ = std::thread([this] { server_.listen_after_bind(); });
    // stop() before the accept loop has begun would be lost.
    while (!server_.is_running()) std::this_thread::yield();
    return std::nullopt;
  }

  int port() const { return port_; }
  FaultTable& faults() { return faults_; }

  std::vector<SeenRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void put_faults(const httplib::Request& request, httplib::Response& response) {
    auto parsed = parse_faults(request.body);
    if (!parsed) return answer_error(response, 400, "", parsed.error());
    faults_.replace(std::move(*parsed));
    response.set_content("{}", "application/json");
  }

  void get(const httplib::Request& request, httplib::Response& response) {
    if (request.path == "/_control/requests") return answer_requests(response);
    // httplib applies its own range handling to whatever a handler sets, without 416 and If-Range;
    // ours is in answer_file. The request is httplib's local variable, never a constant.
    const_cast<httplib::Request&>(request).ranges.clear();
    const std::size_t record = remember(request);
    const Fault fault = faults_.take(request.path);
    if (!fault.bearer_token.empty() &&
        request.get_header_value("Authorization") != "Bearer " + fault.bearer_token) {
      response.set_header("WWW-Authenticate", "Bearer");
      answer_error(response, 401, "GatedRepo", "a token is required");
    } else if (!fault.basic_auth.empty() &&
               request.get_header_value("Authorization") !=
                   httplib::make_basic_authentication_header(
                       fault.basic_auth.substr(0, fault.basic_auth.find(':')),
                       fault.basic_auth.substr(fault.basic_auth.find(':') + 1))
                       .second) {
      response.set_header("WWW-Authenticate", "Basic realm=\"data\"");
      answer_error(response, 401, "", "a password is required");
    } else if (!fault.redirect.empty()) {
      response.set_redirect(fault.redirect);
    } else if (fault.status != 0) {
      if (!fault.retry_after.empty()) response.set_header("Retry-After", fault.retry_after);
      answer_error(response, fault.status, "", fmt::format("status {} on demand", fault.status));
    } else {
      route(request, response, fault, record);
    }
    const std::lock_guard lock(mutex_);
    if (record < requests_.size())
      requests_[record].status = response.status < 0 ? 200 : response.status;
  }

  void route(const httplib::Request& request, httplib::Response& response, const Fault& fault,
             std::size_t record) {
    static const std::regex kDescription("/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?");
    static const std::regex kResolve("/([^/]+/[^/]+)/resolve/([^/]+)/(.+)");
    std::smatch match;
    if (!is_plain_path(request.path)) {
      answer_error(response, 404, "", "no such file");
    } else if (std::regex_match(request.path, match, kDescription)) {
      const auto model =
          model_at(request, response, match[1], match[2].matched ? match[2].str() : "main");
      if (!model) return;
      const auto description = describe_model(*model, request.get_param_value("blobs") == "true");
      response.set_content(description.dump(), "application/json");
    } else if (std::regex_match(request.path, match, kResolve)) {
      const auto model = model_at(request, response, match[1], match[2]);
      if (!model) return;
      response.set_header("X-Repo-Commit", model->revision);
      answer_file(request, response, root_ / "models" / model->id / match[3].str(), fault, record);
    } else {
      answer_file(request, response, root_ / request.path.substr(1), fault, record);
    }
  }

  // Like the hub, tells somebody without a token 401 for a model that does not exist.
  std::optional<HubModel> model_at(const httplib::Request& request, httplib::Response& response,
                                   const std::string& id, const std::string& revision) {
    auto model = find_model(root_, id, digests_);
    if (!model) {
      answer_error(response, request.has_header("Authorization") ? 404 : 401, "RepoNotFound",
                   "Repository not found");
    } else if (revision != "main" && revision != model->revision) {
      answer_error(response, 404, "RevisionNotFound", "Invalid rev id: " + revision);
      model.reset();
    }
    return model;
  }

  void answer_file(const httplib::Request& request, httplib::Response& response,
                   const fs::path& path, const Fault& fault, std::size_t record) {
    std::error_code error;
    if (!fs::is_regular_file(path, error))
      return answer_error(response, 404, "EntryNotFound", "no such file");
    const std::uint64_t size = fs::file_size(path, error);
    const std::string etag = fault.etag.empty() ? '"' + digests_.sha256(path) + '"' : fault.etag;
    if (etag != "none") response.set_header("ETag", etag);
    response.set_header("Accept-Ranges", fault.ignore_range ? "none" : "bytes");
    Slice slice{.offset = 0, .length = size};
    const std::string if_range = request.get_header_value("If-Range");
    const bool ranged = request.has_header("Range") && (if_range.empty() || if_range == etag);
    if (!fault.ignore_range && (ranged || fault.range_from)) {
      const auto wanted = fault.range_from
                              ? parse_range(fmt::format("bytes={}-", *fault.range_from), size)
                              : parse_range(request.get_header_value("Range"), size);
      if (!wanted) {
        response.set_header("Content-Range", fmt::format("bytes */{}", size));
        return answer_error(response, 416, "", "range not satisfiable");
      }
      slice = *wanted;
      response.status = 206;
      response.set_header("Content-Range", fmt::format("bytes {}-{}/{}", slice.offset,
                                                       slice.offset + slice.length - 1, size));
    }
    if (slice.length == 0) return response.set_content("", "application/octet-stream");
    auto transfer = std::make_shared<Transfer>(path, slice, fault, stop_);
    response.set_content_provider(
        slice.length, "application/octet-stream",
        [this, transfer, record](std::size_t sent, std::size_t, httplib::DataSink& sink) {
          const std::string_view chunk = transfer->next(sent);
          if (chunk.empty() || !sink.write(chunk.data(), chunk.size())) return false;
          count_bytes(record, chunk.size());
          return true;
        });
  }

  void count_bytes(std::size_t record, std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    if (record < requests_.size()) requests_[record].body_bytes += bytes;
  }

  // Index of the record; one that is not kept has an index past the end.
  std::size_t remember(const httplib::Request& request) {
    const std::lock_guard lock(mutex_);
    if (requests_.size() >= kMaxRemembered) return kMaxRemembered;
    requests_.push_back({.method = request.method,
                         .path = request.path,
                         .query = query_of(request),
                         .range = request.get_header_value("Range"),
                         .authorized = request.has_header("Authorization")});
    return requests_.size() - 1;
  }

  void answer_requests(httplib::Response& response) const {
    auto list = nlohmann::json::array();
    for (const SeenRequest& seen : requests()) {
      list.push_back({{"method", seen.method},
                      {"path", seen.path},
                      {"query", seen.query},
                      {"range", seen.range},
                      {"authorized", seen.authorized},
                      {"status", seen.status},
                      {"body_bytes", seen.body_bytes}});
    }
    response.set_content(list.dump(), "application/json");
  }

  const fs::path root_;
  int port_ = -1;
  FaultTable faults_;
  Digests digests_;
  StopSignal stop_;
  mutable std::mutex mutex_;  // guards requests_
  std::vector<SeenRequest> requests_;
  httplib::Server server_;
  std::thread listener_;
};

tl::expected<std::unique_ptr<FileHost>, std::string> FileHost::start(Options options) {
  std::error_code error;
  if (!fs::is_directory(options.root, error)) {
    return tl::unexpected(fmt::format("{} is no folder", options.root.string()));
  }
  const int port = options.port;
  auto impl = std::make_unique<Impl>(std::move(options));
  if (const auto problem = impl->listen(port)) return tl::unexpected(*problem);
  return std::unique_ptr<FileHost>(new FileHost(std::move(impl)));
}

FileHost::FileHost(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileHost::~FileHost() = default;

int FileHost::port() const { return impl_->port(); }
std::string FileHost::url() const { return fmt::format("http://127.0.0.1:{}", port()); }
void FileHost::set_faults(std::vector<Fault> faults) { impl_->faults().replace(std::move(faults)); }
std::vector<SeenRequest> FileHost::requests() const { return impl_->requests(); }

}  // namespace tunesmith::testing
