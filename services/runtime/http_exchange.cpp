#include "runtime/http_exchange.h"

#include <httplib.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "runtime/http_route.h"
#include "runtime/url.h"

namespace tunesmith {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::size_t kMaxOtherBody = 64u << 10;  // of answers that are no success
constexpr std::size_t kUploadPiece = 256u << 10;

// One exchange's work: what it was told, and what became of it.
class Exchange {
 public:
  Exchange(const HttpClientOptions& options, TrustStore& trust, const NameLookup& names,
           const HttpRequest& request, const Url& url, RequestCutter& cutter)
      : options_(options),
        trust_(trust),
        names_(names),
        request_(request),
        url_(url),
        cutter_(cutter) {}

  Result<HttpResponse> run() {
    auto route = find_route(options_, url_, subject(), [this](const std::string& host) {
      return names_.look_up(host, options_.idle_timeout, cutter_.ended());
    });
    if (!route && cutter_.cause() == RequestCutter::Cause::kTimedOut) {
      return transient("TimedOut", subject() + ": " + no_end_in_time());
    }
    if (!route) return tl::unexpected(route.error());
    const std::size_t tries = std::max<std::size_t>(route->addresses.size(), 1);
    for (std::size_t i = 0;; ++i) {
      auto response = try_address(*route, i);
      const bool next_may_answer =
          !connected_ && i + 1 < tries && cutter_.cause() == RequestCutter::Cause::kNone;
      if (response || !next_may_answer) return response;
    }
  }

 private:
  std::string subject() const { return describe(request_.method, redact_url(to_string(url_))); }

  std::string no_end_in_time() const {
    return "did not end within " + std::to_string(request_.total_timeout.count()) + " ms";
  }

  Result<std::unique_ptr<httplib::ClientImpl>> make_client(const Route& route, std::size_t index) {
    std::unique_ptr<httplib::ClientImpl> client;
    if (url_.scheme == "https") {
      auto store = trust_.share();
      if (!store) return tl::unexpected(store.error());
      auto tls = std::make_unique<httplib::SSLClient>(url_.host, route.port);
      tls->set_ca_cert_store(static_cast<X509_STORE*>(*store));
      // Keeps httplib from reading the system's bundle into the shared store again and again.
      const char* folder = std::getenv(::X509_get_default_cert_dir_env());  // NOLINT
      tls->set_ca_cert_path("", folder == nullptr ? ::X509_get_default_cert_dir() : folder);
      tls_ = tls.get();
      client = std::move(tls);
    } else {
      client = std::make_unique<httplib::ClientImpl>(url_.host, route.port);
    }
    if (route.proxy) {
      client->set_proxy(route.proxy->host, route.proxy->port);
      if (!route.proxy->user.empty()) {
        client->set_proxy_basic_auth(route.proxy->user, route.proxy->password);
      }
    } else {
      client->set_hostname_addr_map({{url_.host, route.addresses[index].text}});
    }
    client->set_url_encode(false);
    client->set_tcp_nodelay(true);
    client->set_connection_timeout(options_.connect_timeout);
    client->set_read_timeout(options_.idle_timeout);
    client->set_write_timeout(options_.idle_timeout);
    client->set_socket_options([this](int socket) {
      cutter_.watch_socket(socket);
      last_activity_ = SteadyClock::now();
    });
    return client;
  }

  httplib::Request make_request(const Route& route) {
    httplib::Request request;
    request.method = request_.method;
    request.path = request_target(url_);
    for (const auto& [name, value] : request_.headers) request.headers.emplace(name, value);
    if (!request.has_header("Host")) request.headers.emplace("Host", host_header(url_));
    if (!request.has_header("User-Agent")) request.headers.emplace("User-Agent", "tunesmith");
    // httplib would send the proxy's password on to the origin, inside the tunnel.
    if (route.proxy && url_.scheme == "https") request.headers.emplace("Proxy-Authorization", "");
    if (request_.body_provider && request_.body_size > 0) {
      request.content_length_ = request_.body_size;
      request.content_provider_ = [this](std::size_t offset, std::size_t length,
                                         httplib::DataSink& sink) {
        return provide(offset, length, sink);
      };
    } else {
      request.body = request_.body;
    }
    request.response_handler = [this](const httplib::Response& response) {
      take_head(response);
      return true;
    };
    request.content_receiver = [this](const char* data, std::size_t size, std::uint64_t,
                                      std::uint64_t) {
      last_activity_ = SteadyClock::now();
      return cutter_.cause() == RequestCutter::Cause::kNone &&
             receive(std::string_view(data, size));
    };
    return request;
  }

  bool provide(std::size_t offset, std::size_t length, httplib::DataSink& sink) {
    connected_ = true;
    last_activity_ = SteadyClock::now();
    const std::string piece = request_.body_provider(offset, std::min(length, kUploadPiece));
    body_ran_dry_ = piece.empty() || piece.size() > length;
    return !body_ran_dry_ && sink.write(piece.data(), piece.size());
  }

  void take_head(const httplib::Response& response) {
    connected_ = true;
    last_activity_ = SteadyClock::now();
    response_ = HttpResponse{};
    response_.status = response.status;
    for (const auto& [name, value] : response.headers) response_.headers.emplace(name, value);
  }

  // False = no more is wanted; ended_ says that this is no failure.
  bool receive(std::string_view piece) {
    if (response_.status < 200 || response_.status > 299) {
      response_.body.append(piece.substr(0, kMaxOtherBody - response_.body.size()));
      ended_ = response_.body.size() == kMaxOtherBody;
      return !ended_;
    }
    if (request_.on_body) {
      ended_ = !request_.on_body(response_, piece);
      return !ended_;
    }
    too_large_ = piece.size() > request_.max_body_bytes - response_.body.size();
    if (!too_large_) response_.body.append(piece);
    return !too_large_;
  }

  Result<HttpResponse> try_address(const Route& route, std::size_t index) {
    connected_ = false;
    auto client = make_client(route, index);
    if (!client) return tl::unexpected(client.error());
    httplib::Request request = make_request(route);
    httplib::Response raw;
    auto error = httplib::Error::Success;
    last_activity_ = SteadyClock::now();
    const bool complete = (*client)->send(request, raw, error);
    if (complete && response_.status == 0) take_head(raw);  // HEAD and 204 have no body to hand on
    if (complete || ended_) return std::move(response_);
    return tl::unexpected(failure_of(error, route, index));
  }

  Failure failure_of(httplib::Error error, const Route& route, std::size_t index) const {
    const auto say = [&](FailureClass kind, const char* reason, const std::string& what) {
      return Failure{kind, reason, subject() + ": " + what};
    };
    const auto again = [&](const char* reason, const std::string& what) {
      return say(FailureClass::kTransient, reason, what);
    };
    if (cutter_.cause() == RequestCutter::Cause::kStopped) return again("Stopped", "was stopped");
    if (cutter_.cause() == RequestCutter::Cause::kTimedOut) {
      return again("TimedOut", no_end_in_time());
    }
    if (too_large_) {
      return say(FailureClass::kPermanent, "ResponseTooLarge",
                 "the answer is larger than " + std::to_string(request_.max_body_bytes) + " bytes");
    }
    if (body_ran_dry_) return again("ConnectionLost", "the body to send ended too early");
    const std::string where =
        route.proxy ? "the proxy " + route.proxy->host + ":" + std::to_string(route.proxy->port)
                    : route.addresses[index].text + " port " + std::to_string(route.port);
    switch (error) {
      case httplib::Error::Connection:
        return again("ConnectionFailed", "nothing accepts connections at " + where);
      case httplib::Error::ConnectionTimeout:
        return again("TimedOut", where + " did not accept a connection within " +
                                     std::to_string(options_.connect_timeout.count()) + " ms");
      case httplib::Error::SSLConnection:
        return again("ConnectionFailed", where + " does not speak TLS as expected");
      case httplib::Error::SSLServerVerification:
      case httplib::Error::SSLLoadingCerts:
        return say(FailureClass::kPermanent, "TlsNotTrusted",
                   "the certificate is not trusted: " + verification_problem());
      default:
        break;
    }
    if (SteadyClock::now() - last_activity_ >= options_.idle_timeout) {
      return again("TimedOut", std::to_string(options_.idle_timeout.count()) +
                                   " ms passed without a byte from " + where);
    }
    return again("ConnectionLost", where + " closed the connection before the answer was complete");
  }

  std::string verification_problem() const {
    const long problem = tls_ == nullptr ? X509_V_OK : tls_->get_openssl_verify_result();
    if (problem == X509_V_OK) return "it is not for the name " + url_.host;
    return std::string(::X509_verify_cert_error_string(problem)) +
           "; if its authority is a private one, name its file as ca_file";
  }

  const HttpClientOptions& options_;
  TrustStore& trust_;
  const NameLookup& names_;
  const HttpRequest& request_;
  const Url& url_;
  RequestCutter& cutter_;
  httplib::SSLClient* tls_ = nullptr;
  HttpResponse response_;
  SteadyClock::time_point last_activity_;
  bool connected_ = false, ended_ = false, too_large_ = false, body_ran_dry_ = false;
};

}  // namespace

std::string describe(const std::string& method, const std::string& redacted_url) {
  return method + " " + redacted_url;
}

Result<void*> TrustStore::share() {
  const std::lock_guard lock(mutex_);
  if (store_ == nullptr) {
    std::shared_ptr<void> store(::X509_STORE_new(),
                                [](void* p) { ::X509_STORE_free(static_cast<X509_STORE*>(p)); });
    auto* raw = static_cast<X509_STORE*>(store.get());
    ::X509_STORE_set_default_paths(raw);
    if (!ca_file_.empty() && ::X509_STORE_load_locations(raw, ca_file_.c_str(), nullptr) != 1) {
      return permanent("TlsNotTrusted", "ca_file " + ca_file_ + " holds no readable certificates");
    }
    store_ = std::move(store);
  }
  ::X509_STORE_up_ref(static_cast<X509_STORE*>(store_.get()));
  return store_.get();
}

Result<HttpResponse> exchange(const HttpClientOptions& options, TrustStore& trust,
                              const NameLookup& names, const HttpRequest& request, const Url& url,
                              RequestCutter& cutter) {
  return Exchange(options, trust, names, request, url, cutter).run();
}

}  // namespace tunesmith
