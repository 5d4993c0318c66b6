// The WWW-Authenticate header of a registry (RFC 9110, 11.6.1).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tunesmith::registry {

struct AuthChallenge {
  std::string scheme;                             // lower case: "basic", "bearer", …
  std::map<std::string, std::string> parameters;  // names in lower case, values without quotes
};

// All challenges of one header value, in order; what cannot be read ends the list.
std::vector<AuthChallenge> parse_challenges(std::string_view header);

}  // namespace tunesmith::registry
