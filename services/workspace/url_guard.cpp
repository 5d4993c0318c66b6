#include "workspace/url_guard.h"

#include <algorithm>
#include <charconv>

#include "runtime/host_guard.h"
#include "runtime/percent.h"
#include "workspace/spelling.h"

namespace tunesmith::workspace {
namespace {

constexpr std::size_t kMaxUrl = 8192;
constexpr std::size_t kShown = 200;

using Problem = std::optional<std::string>;

struct Authority {
  std::string host;  // lower case, IPv6 without brackets
  unsigned port = 0;
};

Problem read_port(std::string_view text, Authority& authority) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, authority.port);
  if (error != std::errc() || stop != end || authority.port < 1 || authority.port > 65535) {
    return "expected a port in 1..65535, found '" + std::string(text.substr(0, 20)) + "'";
  }
  return std::nullopt;
}

Problem read_authority(std::string_view text, Authority& authority) {
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    if (auto problem = read_port(text.substr(colon + 1), authority)) {
      return problem;
    }
    text = text.substr(0, colon);
  }
  if (text.starts_with('[')) {
    if (!text.ends_with(']') || text.find(':') == std::string_view::npos) {
      return "'" + std::string(text.substr(0, kShown)) +
             "' is no IPv6 address: expected one like [2606:4700::1111]";
    }
    text = text.substr(1, text.size() - 2);
  } else if (text.find(':') != std::string_view::npos) {
    return "expected one ':' before the port and IPv6 addresses in brackets, found '" +
           std::string(text.substr(0, kShown)) + "'";
  }
  authority.host = lower(text);
  return authority.host.empty() ? Problem("expected a host after ://, found none") : std::nullopt;
}

Problem problem_of(std::string_view url, const std::set<std::string>& allowed) {
  const auto odd = [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '\\';
  };
  if (url.size() > kMaxUrl || std::any_of(url.begin(), url.end(), odd)) {
    return "expected at most 8192 characters without blanks, control characters and backslashes; "
           "write a blank as %20";
  }
  const auto scheme_end = url.find("://");
  const std::string scheme = lower(url.substr(0, std::min(scheme_end, url.size())));
  if (scheme_end == std::string_view::npos || (scheme != "http" && scheme != "https")) {
    return "expected http:// or https://";
  }
  const auto begin = scheme_end + 3;
  const auto end = std::min(url.find_first_of("/?#", begin), url.size());
  const std::string_view text = url.substr(begin, end - begin);
  if (text.find('@') != std::string_view::npos) {
    return "expected no user name and password, because the URL is stored in the cluster; put them "
           "into a Secret and name it in the annotation tunesmith.dev/data-secret";
  }
  Authority authority{.host = {}, .port = scheme == "http" ? 80u : 443u};
  if (auto problem = read_authority(text, authority)) {
    return problem;
  }
  if (host_allowed(allowed, authority.host, authority.port)) {
    return std::nullopt;
  }
  if (auto problem = host_problem(authority.host)) {
    return *problem +
           "; expected a host of the public internet, or one that the operator allows by name "
           "(allowedDataHosts)";
  }
  return std::nullopt;
}

// Without user info, query and fragment, short enough for a message.
std::string shown_url(std::string_view url) {
  std::string text(url.substr(0, std::min(url.find_first_of("?#"), url.size())));
  const auto scheme = text.find("://");
  const auto begin = scheme == std::string::npos ? 0 : scheme + 3;
  const auto path = std::min(text.find('/', begin), text.size());
  if (const auto at = text.rfind('@', path); at != std::string::npos && at >= begin) {
    text.erase(begin, at + 1 - begin);
  }
  return text.size() > kShown ? text.substr(0, kShown) + "…" : text;
}

Problem refused(std::string_view url, const Problem& why) {
  return why ? Problem("the URL '" + shown_url(url) + "' cannot be used: " + *why) : std::nullopt;
}

}  // namespace

Problem url_problem(std::string_view url, const std::set<std::string>& allowed) {
  return refused(url, problem_of(url, allowed));
}

bool is_file_url(std::string_view url) { return lower(url.substr(0, 5)) == "file:"; }

Problem file_url_problem(std::string_view url, const std::vector<std::string>& folders) {
  if (folders.empty()) {
    return refused(url,
                   "expected http:// or https://; files of the machine are read only where the "
                   "operator allows a folder (allowed_data_paths)");
  }
  const auto path = file_url_path(url);
  if (!path) {
    return refused(url, "expected file:///path, an absolute path without host, '..' and query");
  }
  if (!is_inside(*path, folders)) {
    std::string list;
    for (const auto& folder : folders) {
      list += (list.empty() ? "" : ", ") + folder;
    }
    return refused(url, "expected a file in a folder that the operator allows: " + list);
  }
  return std::nullopt;
}

std::optional<std::string> file_url_path(std::string_view url) {
  constexpr std::string_view kStart = "file://";
  if (url.size() > kMaxUrl || lower(url.substr(0, kStart.size())) != kStart ||
      url.find_first_of("?#") != std::string_view::npos) {
    return std::nullopt;
  }
  auto path = percent_decode_strictly(url.substr(kStart.size()));
  return path && is_plain_absolute(*path) ? path : std::nullopt;
}

std::string file_url(std::string_view path) {
  return "file://" + percent_encode(path, [](unsigned char byte) {
           return byte == '/' || is_unreserved(byte);
         });
}

bool is_plain_absolute(std::string_view path) {
  if (!path.starts_with('/') || path.find('\0') != std::string_view::npos) {
    return false;
  }
  for (std::size_t begin = 1; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part == "." || part == "..") {
      return false;
    }
    begin = end + 1;
  }
  return true;
}

bool is_inside(std::string_view path, const std::vector<std::string>& folders) {
  return std::any_of(folders.begin(), folders.end(), [&](std::string_view folder) {
    while (folder.ends_with('/')) {
      folder.remove_suffix(1);
    }
    return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
  });
}

}  // namespace tunesmith::workspace
