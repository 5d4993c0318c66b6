// What the HTTP client does with URLs beyond parsing them (http_client.h).
#pragma once

#include <string>
#include <string_view>

#include "runtime/result.h"

namespace tunesmith {

struct Url;

std::string to_string(const Url& url);
// The Host header: with the port only when it is not the scheme's own.
std::string host_header(const Url& url);
// What stands in the request line; bytes beyond ASCII are percent-encoded, nothing else is touched
// (a signed query stays as signed).
std::string request_target(const Url& url);
// Where a Location header leads, RFC 3986 section 5.2. Permanent `UrlInvalid`.
Result<Url> resolve_location(const Url& base, std::string_view location);

}  // namespace tunesmith
