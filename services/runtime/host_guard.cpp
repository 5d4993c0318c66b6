// The tables and spellings of host_guard.h.
#include "runtime/host_guard.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <vector>

namespace tunesmith {
namespace {

struct Range {
  std::uint32_t network;
  int bits;
  const char* what;
};

constexpr std::uint32_t ip(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

// IANA IPv4 special-purpose registry, multicast, and the clouds' metadata addresses; the first that
// holds an address names it.
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

std::optional<std::string_view> v4_problem(std::uint32_t address) {
  for (const Range& range : kForbidden) {
    if ((address ^ range.network) >> (32 - range.bits) == 0) {
      return range.what;
    }
  }
  return std::nullopt;
}

using Bytes = std::array<std::uint8_t, 16>;

std::uint32_t v4_at(const Bytes& bytes, std::size_t at) {
  return ip(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}

bool starts_with(const Bytes& bytes, std::initializer_list<std::uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

bool is_mapped(const Bytes& bytes) {
  return starts_with(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff});
}
bool is_nat64(const Bytes& bytes) {  // RFC 6052
  return starts_with(bytes, {0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0});
}
bool is_6to4(const Bytes& bytes) { return starts_with(bytes, {0x20, 0x02}); }
bool is_teredo(const Bytes& bytes) { return starts_with(bytes, {0x20, 0x01, 0x00, 0x00}); }

std::optional<std::string_view> v6_problem(const Bytes& bytes) {
  if (starts_with(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})) {  // v4-compatible, :: and ::1
    const std::uint32_t low = v4_at(bytes, 12);
    return low == 0   ? "an unspecified"
           : low == 1 ? "a loopback"
                      : v4_problem(low).value_or("a non-global IPv6");
  }
  if (is_nat64(bytes)) {
    return v4_problem(v4_at(bytes, 12));
  }
  if (starts_with(bytes, {0xfe, 0x80})) {
    return "a link-local";
  }
  if ((bytes[0] & 0xfe) == 0xfc) {
    return "a private";  // RFC 4193, unique local
  }
  if ((bytes[0] & 0xe0) != 0x20) {
    return "a non-global IPv6";  // only 2000::/3 is given out for the public internet
  }
  if (is_6to4(bytes)) {
    return v4_problem(v4_at(bytes, 2));
  }
  if (is_teredo(bytes)) {
    return "a tunnelled (Teredo)";
  }
  if (starts_with(bytes, {0x20, 0x01, 0x0d, 0xb8}) ||
      (starts_with(bytes, {0x3f, 0xff}) && (bytes[2] & 0xf0) == 0)) {
    return "a documentation";
  }
  if ((bytes[8] & 0xfd) == 0 && bytes[9] == 0 && bytes[10] == 0x5e && bytes[11] == 0xfe) {
    return v4_problem(v4_at(bytes, 12));  // ISATAP, RFC 5214
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
std::optional<std::uint32_t> numeric_v4(std::string_view host) {
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
  const auto impossible = [](std::string_view label) { return label.empty() || label.size() > 63; };
  if (host.size() > 252 || std::any_of(labels.begin(), labels.end(), impossible)) {  // RFC 1035
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
  const std::string text(host);
  Bytes bytes{};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) {
    return "'[" + text + "]' is no IPv6 address";
  }
  std::optional<std::string_view> what;
  if (is_mapped(bytes)) {
    what = v4_problem(v4_at(bytes, 12));
  } else {
    what = v6_problem(bytes);
  }
  // Nobody writes these forms but to hide the address inside.
  if (!what && (is_mapped(bytes) || is_nat64(bytes) || is_6to4(bytes))) {
    what = "an embedded IPv4";
  }
  if (what) {
    return "the host '[" + text + "]' is " + std::string(*what) + " address";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> address_problem(const NetAddress& address) {
  return address.is_ipv4() ? v4_problem(v4_at(address.bytes, 12)) : v6_problem(address.bytes);
}

bool host_allowed(const std::set<std::string>& allowed, const std::string& host, unsigned port) {
  const std::string end = ":" + std::to_string(port);
  const std::string in_brackets = "[" + host + "]";
  return allowed.contains(host) || allowed.contains(host + end) || allowed.contains(in_brackets) ||
         allowed.contains(in_brackets + end);
}

std::optional<std::string> host_problem(std::string_view written) {
  if (written.find(':') != std::string_view::npos) {
    return v6_host_problem(written);
  }
  std::string host(written);
  std::transform(host.begin(), host.end(), host.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  while (host.ends_with('.')) {
    host.pop_back();
  }
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  };
  const std::string quoted = "'" + std::string(written) + "'";
  if (host.empty() || !std::all_of(host.begin(), host.end(), plain)) {
    return quoted + " is no host name (write international names in their xn-- form)";
  }
  if (const auto address = numeric_v4(host)) {
    const auto what = v4_problem(*address);
    return what ? std::optional("the host " + quoted + " is " + std::string(*what) + " address")
                : std::nullopt;
  }
  if (looks_numeric(host)) {
    return quoted + " is no IPv4 address";
  }
  return name_problem(host);
}

}  // namespace tunesmith
