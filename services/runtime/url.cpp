// URLs of http_client.h, and what redirects make of them.
#include "runtime/url.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

#include "runtime/http_client.h"
#include "runtime/percent.h"

namespace tunesmith {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool has_forbidden_byte(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c <= 0x20 || c == 0x7F; });
}

bool valid_host(std::string_view host) {
  return !host.empty() && host.size() <= 253 &&
         std::all_of(host.begin(), host.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || c == ':' || c >= 0x80;
         });
}

auto invalid(const std::string& what) { return permanent("UrlInvalid", what); }

// Splits "host", "host:port" or "[v6]:port" into url.
bool parse_authority(std::string_view authority, Url& url) {
  std::string_view port;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return false;
    url.host = lower(authority.substr(1, close - 1));
    if (url.host.find(':') == std::string::npos) return false;
    authority.remove_prefix(close + 1);
    if (!authority.empty() && authority.front() != ':') return false;
    port = authority.empty() ? "" : authority.substr(1);
  } else {
    const std::size_t colon = authority.find(':');
    url.host = lower(authority.substr(0, colon));
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
  }
  if (!valid_host(url.host)) return false;
  if (port.empty()) return true;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
  if (error != std::errc() || end != port.data() + port.size() || value == 0 || value > 65535) {
    return false;
  }
  url.port = static_cast<std::uint16_t>(value);
  return true;
}

// "/a/b/../c/./d" → "/a/c/d", RFC 3986 5.2.4.
std::string without_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  bool ends_in_folder = false;
  while (!path.empty()) {
    path.remove_prefix(1);  // the '/'
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    ends_in_folder = segment == "." || segment == "..";
    if (segment == ".." && !kept.empty()) kept.pop_back();
    if (!ends_in_folder) kept.push_back(segment);
    path.remove_prefix(end);
  }
  std::string out;
  for (const std::string_view segment : kept) out.append("/").append(segment);
  if (ends_in_folder || out.empty()) out += '/';
  return out;
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  text = text.substr(0, text.find('#'));
  const std::size_t colon = text.find("://");
  Url url;
  if (colon == std::string_view::npos) {
    return invalid("expected an absolute URL like https://host/path, found '" + redact_url(text) +
                   "'");
  }
  url.scheme = lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") {
    return invalid("expected http or https, found the scheme '" + url.scheme + "'");
  }
  url.port = url.scheme == "https" ? 443 : 80;
  std::string_view rest = text.substr(colon + 3);
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, authority_end);
  rest.remove_prefix(authority_end);
  if (authority.find('@') != std::string_view::npos) {
    return invalid("the URL of " + redact_url(text) +
                   " holds a user name or password; leave it out");
  }
  if (!parse_authority(authority, url)) {
    return invalid("the host or port in '" + redact_url(text) + "' is not valid");
  }
  const std::size_t question = rest.find('?');
  url.path = rest.substr(0, question);
  if (url.path.empty()) url.path = "/";
  if (question != std::string_view::npos) url.query = rest.substr(question + 1);
  if (has_forbidden_byte(url.path) || has_forbidden_byte(url.query)) {
    return invalid("the URL of " + url.host +
                   " holds a space or control character; write it as %20");
  }
  return url;
}

std::string to_string(const Url& url) {
  std::string text = url.scheme + "://" + host_header(url) + url.path;
  if (!url.query.empty()) text += "?" + url.query;
  return text;
}

std::string host_header(const Url& url) {
  const bool v6 = url.host.find(':') != std::string::npos;
  std::string text = v6 ? "[" + url.host + "]" : url.host;
  if (url.port != (url.scheme == "https" ? 443 : 80)) text += ":" + std::to_string(url.port);
  return text;
}

std::string request_target(const Url& url) {
  const std::string raw = url.query.empty() ? url.path : url.path + "?" + url.query;
  return percent_encode(raw, [](unsigned char byte) { return byte < 0x80; });
}

Result<Url> resolve_location(const Url& base, std::string_view location) {
  std::string text;
  for (const char c : location.substr(0, location.find('#'))) {
    text += c == ' ' ? std::string("%20") : std::string(1, c);
  }
  const std::size_t scheme_end = text.find("://");
  if (scheme_end != std::string::npos && text.find_first_of("/?") > scheme_end) {
    return parse_url(text);
  }
  const std::string origin = base.scheme + "://" + host_header(base);
  if (text.substr(0, 2) == "//") return parse_url(base.scheme + ":" + text);
  if (text.empty()) return base;
  if (text[0] == '?') return parse_url(origin + base.path + text);
  const std::size_t question = std::min(text.find('?'), text.size());
  std::string path = text.substr(0, question);
  if (path[0] != '/') path = base.path.substr(0, base.path.rfind('/') + 1) + path;
  return parse_url(origin + without_dot_segments(path) + text.substr(question));
}

std::string redact_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url.substr(url.rfind('@') + 1));
  const std::size_t start = scheme + 3;
  const std::size_t authority_end = std::min(url.find('/', start), url.size());
  const std::size_t at = url.substr(0, authority_end).rfind('@');
  if (at == std::string_view::npos || at < start) return std::string(url);
  return std::string(url.substr(0, start)) + std::string(url.substr(at + 1));
}

}  // namespace tunesmith
