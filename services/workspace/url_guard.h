// Which URLs and paths of training data are admitted, by their text alone; the address that a host
// resolves to is judged by the HTTP client at connect time (runtime/host_guard.h for both).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tunesmith::workspace {

// Why a data URL is refused, as a sentence without the query string; nullopt when it may be tried.
// Refused: not http(s), user info, ports outside 1..65535, and every host that host_problem()
// refuses. Hosts in `allowed` ("host" or "host:port") pass all but the first three.
std::optional<std::string> url_problem(std::string_view url, const std::set<std::string>& allowed);

// True when the scheme is `file`, in any letter case.
bool is_file_url(std::string_view url);

// Why a file:// URL is refused; nullopt when it names something inside one of the folders. Symbolic
// links are the business of whoever opens it.
std::optional<std::string> file_url_problem(std::string_view url,
                                            const std::vector<std::string>& folders);

// The path of file:///path (RFC 8089; percent-escapes decoded), nullopt when it is no such URL, has
// a host, query or fragment, or its path is not is_plain_absolute().
std::optional<std::string> file_url_path(std::string_view url);

// The URL of an absolute path: what is not unreserved (RFC 3986, 2.3) or '/' is percent-encoded.
std::string file_url(std::string_view path);

// An absolute path of ordinary components: no "..", no ".", no NUL.
bool is_plain_absolute(std::string_view path);

// True when the path is one of the folders or lies below one, by whole components. Both absolute.
bool is_inside(std::string_view path, const std::vector<std::string>& folders);

}  // namespace tunesmith::workspace
