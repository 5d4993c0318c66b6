// The admission's reading of a URL against the HTTP client's and the system resolver's: where they
// differ, a request goes elsewhere than was judged.
#include "workspace/url_guard.h"

#include "runtime/host_guard.h"
#include "runtime/http_client.h"
#include "runtime/text.h"
#include "targets.h"

namespace tunesmith::fuzz {
namespace {

void judge(std::string_view input) {
  if (const auto problem = workspace::url_problem(input, {})) {
    promise(problem->size() < 2000, "a message is short");
    const auto query = input.find('?');
    promise(query == std::string_view::npos || query + 12 > input.size() ||
                problem->find(input.substr(query)) == std::string::npos,
            "a message never holds the query");
    return;
  }
  const auto url = parse_url(input);
  promise(url.has_value(), "the client can read what is admitted");
  promise(!host_problem(url->host), "both see the same host: " + url->host);
  for (const NetAddress& address : numeric_host(url->host)) {
    promise(!address_problem(address), "the resolver reads no inner address: " + address.text);
  }
}

}  // namespace

void url_guard(std::string_view input) {
  judge(input);
  judge("http://" + std::string(input));
  judge("http://" + std::string(input) + "/a?sig=0123456789");
  if (const auto path = workspace::file_url_path(input)) {
    promise(workspace::is_plain_absolute(*path) && path->find("/../") == std::string::npos,
            "a path of a file URL does not climb");
  }
}

}  // namespace tunesmith::fuzz
