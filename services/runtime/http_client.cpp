#include "runtime/http_client.h"

#include <strings.h>

#include <algorithm>

#include "runtime/http_exchange.h"
#include "runtime/url.h"

namespace tunesmith {
namespace {

bool is_followed_redirect(const HttpRequest& request, const HttpResponse& response) {
  const int status = response.status;
  return request.follow_redirects && !response.header("Location").empty() &&
         (status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
}

// What the next hop is asked: RFC 9110 15.4 as browsers and curl read it.
void turn_into_next_request(HttpRequest& request, int status, const Url& from, const Url& to) {
  const bool to_get = (status == 303 && request.method != "HEAD") ||
                      ((status == 301 || status == 302) && request.method == "POST");
  if (to_get) {
    request.method = "GET";
    request.body.clear();
    request.body_provider = nullptr;
    request.body_size = 0;
    request.headers.erase("Content-Type");
    request.headers.erase("Content-Length");
  }
  if (from.scheme != to.scheme || from.host != to.host || from.port != to.port) {
    for (const char* secret : {"Authorization", "Cookie", "Host"}) request.headers.erase(secret);
  }
}

Result<void> check_headers(const HttpHeaders& headers) {
  for (const auto& [name, value] : headers) {
    if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return permanent("UrlInvalid",
                       "the value of the header " + name.substr(0, 64) + " holds a line break");
    }
  }
  return {};
}

}  // namespace

bool CaseInsensitiveLess::operator()(const std::string& a, const std::string& b) const {
  return ::strcasecmp(a.c_str(), b.c_str()) < 0;
}

std::string HttpResponse::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

HttpClientOptions HttpClientOptions::from_config(ConfigReader& config) {
  HttpClientOptions options;
  options.connect_to = config.text_map("connect_to");
  options.ca_file = config.text("ca_file", "");
  options.connect_timeout = config.duration("connect_limit", options.connect_timeout);
  options.idle_timeout = config.duration("idle_limit", options.idle_timeout);
  for (const std::string& host : config.texts("allowed_data_hosts", {})) {
    options.allowed_hosts.insert(host);
  }
  const auto either = [&](const char* upper, const char* lower) {
    const auto value = config.variable(upper);
    return value && !value->empty() ? *value : config.variable(lower).value_or("");
  };
  options.http_proxy = either("HTTP_PROXY", "http_proxy");
  options.https_proxy = either("HTTPS_PROXY", "https_proxy");
  options.no_proxy = either("NO_PROXY", "no_proxy");
  return options;
}

struct HttpClient::State {
  HttpClientOptions options;
  TrustStore trust;
  NameLookup names;
  explicit State(HttpClientOptions given)
      : options(std::move(given)), trust(options.ca_file), names(options.resolve) {}
};

HttpClient::HttpClient(HttpClientOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

Result<HttpResponse> HttpClient::send(const HttpRequest& original) const {
  if (auto checked = check_headers(original.headers); !checked) {
    return tl::unexpected(checked.error());
  }
  auto url = parse_url(original.url);
  if (!url) return tl::unexpected(url.error());
  HttpRequest request = original;
  RequestCutter cutter(original.stop, original.total_timeout);
  for (int redirects = 0;; ++redirects) {
    auto response = exchange(state_->options, state_->trust, state_->names, request, *url, cutter);
    if (!response) return response;
    response->final_url = to_string(*url);
    if (!is_followed_redirect(request, *response)) return response;
    if (redirects == state_->options.max_redirects) {
      return permanent("TooManyRedirects", describe(original.method, redact_url(original.url)) +
                                               ": more than " + std::to_string(redirects) +
                                               " redirects, the last to " +
                                               redact_url(response->header("Location")));
    }
    const auto next = resolve_location(*url, response->header("Location"));
    if (!next) {
      return permanent("UrlInvalid", describe(original.method, redact_url(original.url)) +
                                         " was redirected to a place that cannot be followed: " +
                                         next.error().message);
    }
    if (url->scheme == "https" && next->scheme == "http") {
      return permanent("UrlInvalid", describe(original.method, redact_url(original.url)) +
                                         " was redirected from https to " +
                                         redact_url(to_string(*next)) +
                                         ", where anybody in between could change the answer");
    }
    turn_into_next_request(request, response->status, *url, *next);
    url = *next;
  }
}

}  // namespace tunesmith
