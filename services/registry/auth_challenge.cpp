#include "registry/auth_challenge.h"

#include <algorithm>
#include <cctype>

namespace tunesmith::registry {

namespace {

bool is_token_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// Reads the header from left to right.
struct Scanner {
  std::string_view rest;

  void skip(std::string_view characters) {
    rest.remove_prefix(std::min(rest.find_first_not_of(characters), rest.size()));
  }
  std::string token() {
    const auto end = std::find_if_not(rest.begin(), rest.end(), is_token_char);
    std::string text(rest.begin(), end);
    rest.remove_prefix(text.size());
    return text;
  }
  std::string lower_token() {
    std::string text = token();
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
  }
  // False when a quoted string does not end.
  bool value(std::string& out) {
    if (rest.empty() || rest.front() != '"') {
      out = token();
      return true;
    }
    for (std::size_t i = 1; i < rest.size(); ++i) {
      if (rest[i] == '"') {
        rest.remove_prefix(i + 1);
        return true;
      }
      if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
      out.push_back(rest[i]);
    }
    return false;
  }
};

}  // namespace

std::vector<AuthChallenge> parse_challenges(std::string_view header) {
  std::vector<AuthChallenge> challenges;
  Scanner scan{header};
  while (true) {
    scan.skip(" \t,");
    std::string name = scan.lower_token();
    if (name.empty()) return challenges;
    scan.skip(" \t");
    // A word before '=' is a parameter of the challenge before it, any other word begins the next
    // challenge.
    if (scan.rest.empty() || scan.rest.front() != '=') {
      challenges.push_back({std::move(name), {}});
      continue;
    }
    if (challenges.empty()) return challenges;
    scan.skip("=");
    scan.skip(" \t");
    std::string value;
    if (!scan.value(value)) return challenges;
    challenges.back().parameters.emplace(std::move(name), std::move(value));
  }
}

}  // namespace tunesmith::registry
