// The textual half of the guard against server-side request forgery; the address half is the HTTP
// client's, at connect time.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace tunesmith::workspace {

// Why a data URL is refused, as a sentence without the query string; nullopt when it may be tried.
// Refused: not http(s), user info, ports outside 1..65535, hosts that are or spell a loopback,
// private, link-local, shared, reserved or metadata address in any form a resolver takes (127.1,
// 2130706433, 0x7f000001, 0177.0.0.1, [::ffff:…], NAT64, trailing dots), localhost,
// cluster-internal and metadata names. Hosts in `allowed` ("host" or "host:port") pass all but the
// first three.
std::optional<std::string> url_problem(std::string_view url, const std::set<std::string>& allowed);

}  // namespace tunesmith::workspace
