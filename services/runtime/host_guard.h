// Which hosts lead out to the public internet: the guard against server-side request forgery. By
// address where one is known, by spelling where only a name is.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "runtime/net_address.h"

namespace tunesmith {

// What is wrong with an address that a request would go to ("a loopback", "a metadata" …); nullopt
// = it is one of the public internet. IPv6 forms that carry an IPv4 address (mapped, NAT64, 6to4,
// ISATAP) are judged by it. Source: IANA special-purpose registries, and the clouds' metadata
// addresses.
std::optional<std::string_view> address_problem(const NetAddress& address);

// True when the operator named the host: "host" or "host:port", IPv6 with or without brackets.
// `host` is in lower case, IPv6 without brackets.
bool host_allowed(const std::set<std::string>& allowed, const std::string& host, unsigned port);

// What is wrong with a host as it is written in a URL (IPv6 without its brackets), as a clause
// ("the host '127.1' is a loopback address"); nullopt = it may be asked, and the address it
// resolves to is judged then. Refused: numbers in any form a resolver takes (127.1, 2130706433,
// 0x7f000001, 0177.0.0.1, trailing dots) that are no public address, IPv6 addresses that only carry
// an IPv4 one, single labels, names of this machine, of metadata servers and of services inside a
// cluster, percent-encoded and non-ASCII names. Asks no server.
std::optional<std::string> host_problem(std::string_view host);

}  // namespace tunesmith
