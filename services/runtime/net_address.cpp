#include "runtime/net_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>

namespace tunesmith {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

NetAddress from_sockaddr(const sockaddr& address, socklen_t length) {
  NetAddress result;
  if (address.sa_family == AF_INET) {
    std::copy(kMapped.begin(), kMapped.end(), result.bytes.begin());
    std::memcpy(result.bytes.data() + 12, &reinterpret_cast<const sockaddr_in&>(address).sin_addr,
                4);
  } else {
    std::memcpy(result.bytes.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, 16);
  }
  std::array<char, NI_MAXHOST> text{};
  ::getnameinfo(&address, length, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
  result.text = text.data();
  return result;
}

// The resolver's error code, or 0.
int look_up(const std::string& host, int flags, std::vector<NetAddress>& found) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (error != 0) return error;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  for (const addrinfo* item = list; item != nullptr; item = item->ai_next) {
    if (item->ai_family == AF_INET || item->ai_family == AF_INET6) {
      found.push_back(from_sockaddr(*item->ai_addr, item->ai_addrlen));
    }
  }
  return 0;
}

bool in_block(const NetAddress& address, const NetAddress& network, int bits) {
  for (int i = 0; i < bits; ++i) {
    const auto byte = static_cast<std::size_t>(i) / 8;
    const int mask = 0x80 >> (i % 8);
    if (((address.bytes[byte] ^ network.bytes[byte]) & mask) != 0) return false;
  }
  return true;
}

bool matches_cidr(std::string_view entry, const std::string& host) {
  const std::size_t slash = entry.find('/');
  const auto address = numeric_host(host);
  const auto network = numeric_host(std::string(entry.substr(0, slash)));
  if (address.empty() || network.empty()) return false;
  if (address[0].is_ipv4() != network[0].is_ipv4()) return false;
  int bits = network[0].is_ipv4() ? 32 : 128;
  if (slash != std::string_view::npos) {
    int wanted = -1;
    std::from_chars(entry.data() + slash + 1, entry.data() + entry.size(), wanted);
    if (wanted < 0 || wanted > bits) return false;
    bits = wanted;
  }
  return in_block(address[0], network[0], network[0].is_ipv4() ? bits + 96 : bits);
}

bool matches_entry(std::string_view entry, const std::string& host, std::uint16_t port) {
  if (entry == "*") return true;
  const std::size_t colon = entry.rfind(':');
  if (colon != std::string_view::npos && entry.find(':') == colon) {  // one colon: not IPv6
    if (entry.substr(colon + 1) != std::to_string(port)) return false;
    entry = entry.substr(0, colon);
  }
  if (matches_cidr(entry, host)) return true;
  if (!entry.empty() && entry.front() == '.') entry.remove_prefix(1);
  if (entry.empty() || host.size() < entry.size()) return false;
  const std::string_view end = std::string_view(host).substr(host.size() - entry.size());
  const bool equal = std::equal(end.begin(), end.end(), entry.begin(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  });
  return equal && (host.size() == entry.size() || host[host.size() - entry.size() - 1] == '.');
}

}  // namespace

bool NetAddress::is_ipv4() const {
  return std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
}

Result<std::vector<NetAddress>> resolve_host(const std::string& host) {
  std::vector<NetAddress> found;
  const int error = look_up(host, 0, found);
  if (error == 0 && !found.empty()) return found;
  return transient("ConnectionFailed", "the name " + host + " has no address: " +
                                           (error == 0 ? "none found" : ::gai_strerror(error)));
}

std::vector<NetAddress> numeric_host(const std::string& host) {
  std::vector<NetAddress> found;
  look_up(host, AI_NUMERICHOST, found);
  return found;
}

bool matches_no_proxy(std::string_view no_proxy, const std::string& host, std::uint16_t port) {
  while (!no_proxy.empty()) {
    const std::size_t comma = std::min(no_proxy.find_first_of(", "), no_proxy.size());
    const std::string_view entry = no_proxy.substr(0, comma);
    if (!entry.empty() && matches_entry(entry, host, port)) return true;
    no_proxy.remove_prefix(std::min(comma + 1, no_proxy.size()));
  }
  return false;
}

}  // namespace tunesmith
