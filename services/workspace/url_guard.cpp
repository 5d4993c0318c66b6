#include "workspace/url_guard.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <vector>

#include "workspace/spelling.h"

namespace tunesmith::workspace {
namespace {

constexpr std::size_t kMaxUrl = 8192;

struct Range {
  std::uint32_t network;
  int bits;
  const char* what;
};

constexpr std::uint32_t ip(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

// IANA IPv4 special-purpose registry, multicast, and the clouds' metadata addresses.
constexpr std::array kForbidden{
    Range{ip(169, 254, 169, 254), 32, "a metadata"},
    Range{ip(168, 63, 129, 16), 32, "a metadata"},
    Range{ip(100, 100, 100, 200), 32, "a metadata"},
    Range{ip(127, 0, 0, 0), 8, "a loopback"},
    Range{ip(0, 0, 0, 0), 8, "an unspecified"},
    Range{ip(10, 0, 0, 0), 8, "a private"},
    Range{ip(172, 16, 0, 0), 12, "a private"},
    Range{ip(192, 168, 0, 0), 16, "a private"},
    Range{ip(100, 64, 0, 0), 10, "a shared (100.64/10)"},
    Range{ip(169, 254, 0, 0), 16, "a link-local"},
    Range{ip(192, 0, 0, 0), 24, "a reserved"},
    Range{ip(192, 0, 2, 0), 24, "a documentation"},
    Range{ip(192, 88, 99, 0), 24, "a reserved"},
    Range{ip(198, 18, 0, 0), 15, "a benchmarking"},
    Range{ip(198, 51, 100, 0), 24, "a documentation"},
    Range{ip(203, 0, 113, 0), 24, "a documentation"},
    Range{ip(224, 0, 0, 0), 4, "a multicast"},
    Range{ip(240, 0, 0, 0), 4, "a reserved"},
};

std::optional<std::string> v4_problem(std::uint32_t address) {
  for (const Range& range : kForbidden) {
    if ((address ^ range.network) >> (32 - range.bits) == 0) {
      return range.what;
    }
  }
  return std::nullopt;
}

std::uint32_t read_v4(const std::array<std::uint8_t, 16>& bytes, std::size_t at) {
  return ip(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}

bool starts_with(const std::array<std::uint8_t, 16>& bytes,
                 std::initializer_list<std::uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

std::optional<std::string> v6_problem(const std::array<std::uint8_t, 16>& bytes) {
  const bool zero_96 = starts_with(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  if (zero_96 && read_v4(bytes, 12) <= 1) {
    return read_v4(bytes, 12) == 0 ? "an unspecified" : "a loopback";
  }
  if (zero_96 || starts_with(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}) ||
      starts_with(bytes, {0, 0x64, 0xff, 0x9b})) {  // v4-compatible, v4-mapped, NAT64
    return v4_problem(read_v4(bytes, 12)).value_or("an embedded IPv4");
  }
  if (starts_with(bytes, {0x20, 0x02}) || starts_with(bytes, {0x20, 0x01, 0, 0})) {
    return "a tunnelled (6to4, Teredo)";
  }
  if ((bytes[0] & 0xe0) != 0x20 || starts_with(bytes, {0x20, 0x01, 0x0d, 0xb8})) {
    return "a non-global IPv6";  // only 2000::/3 is given out for the public internet
  }
  return std::nullopt;
}

// One part of an address as inet_aton reads it: 0x… hexadecimal, 0… octal, else decimal.
std::optional<std::uint64_t> address_part(std::string_view part) {
  int base = 10;
  if (part.starts_with("0x")) {
    base = 16;
    part.remove_prefix(2);
  } else if (part.size() > 1 && part.front() == '0') {
    base = 8;
    part.remove_prefix(1);
  }
  if (part.empty() && base == 16) {
    return 0;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value, base);
  if (error != std::errc() || end != part.data() + part.size()) {
    return std::nullopt;
  }
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// The address that inet_aton makes of 1 to 4 parts; nullopt when it is no number at all.
std::optional<std::uint32_t> numeric_host(std::string_view host) {
  const auto parts = split(host, '.');
  if (parts.size() > 4) {
    return std::nullopt;
  }
  std::uint64_t address = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto value = address_part(parts[i]);
    const bool last = i + 1 == parts.size();
    const std::size_t bits = last ? 8 * (4 - i) : 8;
    if (!value || *value >> bits != 0) {
      return std::nullopt;
    }
    address = address << bits | *value;
  }
  return static_cast<std::uint32_t>(address);
}

// True when the last label is a number: no such domain exists, so it is a badly written address.
bool looks_numeric(std::string_view host) {
  const auto last = split(host, '.').back();
  return !last.empty() && ((last.front() >= '0' && last.front() <= '9') || last.starts_with("0x"));
}

std::optional<std::string> name_problem(const std::string& host) {
  static const std::vector<std::string> kInside{
      "localhost", "local", "localdomain", "internal", "intranet", "lan",        "home",
      "corp",      "arpa",  "svc",         "default",  "cluster",  "kube-system"};
  const auto labels = split(host, '.');
  if (std::find(labels.begin(), labels.end(), "") != labels.end()) {
    return "'" + host + "' is no host name";
  }
  if (labels.size() == 1 ||
      std::find(kInside.begin(), kInside.end(), labels.back()) != kInside.end()) {
    return "the host '" + host +
           "' names this machine, a metadata server or a service inside the "
           "cluster";
  }
  return std::nullopt;
}

std::optional<std::string> v6_host_problem(std::string_view host) {
  const std::string text(host.substr(1, host.size() - 2));
  std::array<std::uint8_t, 16> bytes{};
  if (!host.ends_with(']') || inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) {
    return "'" + std::string(host) + "' is no IPv6 address";
  }
  if (const auto what = v6_problem(bytes)) {
    return "the host '" + std::string(host) + "' is " + *what + " address";
  }
  return std::nullopt;
}

std::optional<std::string> host_problem(const std::string& written) {
  if (written.starts_with('[')) {
    return v6_host_problem(written);
  }
  std::string host = written;
  while (host.ends_with('.')) {
    host.pop_back();
  }
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  };
  if (host.empty() || !std::all_of(host.begin(), host.end(), plain)) {
    return "'" + written + "' is no host name (write international names in their xn-- form)";
  }
  if (const auto address = numeric_host(host)) {
    if (const auto what = v4_problem(*address)) {
      return "the host '" + written + "' is " + *what + " address";
    }
    return std::nullopt;
  }
  if (looks_numeric(host)) {
    return "'" + written + "' is no IPv4 address";
  }
  return name_problem(host);
}

struct Authority {
  std::string host;  // lower case, brackets kept
  std::string port;  // digits, or empty
};

std::optional<std::string> read_port(std::string_view text, Authority& authority) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) {
    return "the port '" + std::string(text) + "' is not in 1..65535";
  }
  authority.port = std::to_string(port);
  return std::nullopt;
}

std::optional<std::string> read_authority(std::string_view text, Authority& authority) {
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    if (auto problem = read_port(text.substr(colon + 1), authority)) {
      return problem;
    }
    text = text.substr(0, colon);
  }
  authority.host = lower(text);
  return authority.host.empty() ? std::optional<std::string>("it names no host") : std::nullopt;
}

std::optional<std::string> problem_of(std::string_view url, const std::set<std::string>& allowed) {
  const auto odd = [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '\\';
  };
  if (url.size() > kMaxUrl || std::any_of(url.begin(), url.end(), odd)) {
    return "it holds blanks, control characters or backslashes, or is longer than 8192 characters";
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
    return "user name and password do not belong into a URL that is stored in the cluster";
  }
  Authority authority;
  if (auto problem = read_authority(text, authority)) {
    return problem;
  }
  const std::string port = !authority.port.empty() ? authority.port
                           : scheme == "http"      ? "80"
                                                   : "443";
  if (allowed.contains(authority.host) || allowed.contains(authority.host + ":" + port)) {
    return std::nullopt;
  }
  if (auto problem = host_problem(authority.host)) {
    return *problem +
           "; data is fetched from public hosts only, or from those that the operator "
           "allows by name (allowedDataHosts)";
  }
  return std::nullopt;
}

// Without user info, query and fragment, short enough for a message.
std::string shown(std::string_view url) {
  std::string text(url.substr(0, std::min(url.find_first_of("?#"), url.size())));
  const auto scheme = text.find("://");
  const auto begin = scheme == std::string::npos ? 0 : scheme + 3;
  const auto path = std::min(text.find('/', begin), text.size());
  if (const auto at = text.rfind('@', path); at != std::string::npos && at >= begin) {
    text.erase(begin, at + 1 - begin);
  }
  return text.size() > 200 ? text.substr(0, 200) + "…" : text;
}

}  // namespace

std::optional<std::string> url_problem(std::string_view url, const std::set<std::string>& allowed) {
  if (auto problem = problem_of(url, allowed)) {
    return "the URL '" + shown(url) + "' cannot be used: " + *problem;
  }
  return std::nullopt;
}

}  // namespace tunesmith::workspace
