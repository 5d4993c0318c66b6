// IP addresses as bytes, resolving, and what NO_PROXY means. Which addresses are public:
// host_guard.h.
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

// curl's NO_PROXY: "*", names (with or without a leading dot, matching sub-domains too), addresses,
// CIDR blocks; each optionally ":port".
bool matches_no_proxy(std::string_view no_proxy, const std::string& host, std::uint16_t port);

}  // namespace tunesmith
