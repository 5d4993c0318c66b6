// IP addresses as bytes: resolving, and which of them lead out to the public internet.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.h"

namespace tunesmith {

struct NetAddress {
  std::array<std::uint8_t, 16> bytes{};  // IPv4 as ::ffff:a.b.c.d
  std::string text;                      // numeric, as connect() takes it

  bool is_ipv4() const;
};

// All addresses of a host, in the resolver's order; numbers in any form that the resolver takes
// (127.1, 0x7f000001) are understood as it understands them. Blocks as long as the resolver does.
// Transient `ConnectionFailed` when it has no address.
Result<std::vector<NetAddress>> resolve_host(const std::string& host);
// The same for hosts that are numbers already; empty for names. Asks no server.
std::vector<NetAddress> numeric_host(const std::string& host);

// False for loopback, private, link-local, shared (100.64/10), multicast, reserved, documentation
// and unspecified addresses, for Azure's 168.63.129.16, and for IPv6 forms that carry such an IPv4
// address (mapped, NAT64, 6to4). Source: IANA special-purpose registries.
bool is_public_address(const NetAddress& address);

// curl's NO_PROXY: "*", names (with or without a leading dot, matching sub-domains too), addresses,
// CIDR blocks; each optionally ":port".
bool matches_no_proxy(std::string_view no_proxy, const std::string& host, std::uint16_t port);

}  // namespace tunesmith
