#include "bus/subject.h"

#include <algorithm>
#include <cctype>

namespace tunesmith::bus {
namespace {

// Cuts the first token off `rest`.
std::string_view next_token(std::string_view& rest) {
  const auto dot = rest.find('.');
  const auto token = rest.substr(0, dot);
  rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
  return token;
}

}  // namespace

bool subject_matches(std::string_view pattern, std::string_view subject) {
  while (!pattern.empty() && !subject.empty()) {
    if (pattern == ">") return true;
    const auto wanted = next_token(pattern);
    const auto found = next_token(subject);
    if (wanted != "*" && wanted != found) return false;
  }
  return pattern.empty() && subject.empty();
}

bool is_valid_key(std::string_view key) {
  if (key.empty() || key.front() == '.' || key.back() == '.') return false;
  if (key.find("..") != std::string_view::npos) return false;
  return std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("-/_=.").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool is_valid_token(std::string_view token) {
  return !token.empty() && std::none_of(token.begin(), token.end(), [](unsigned char c) {
    return c == '.' || c == '*' || c == '>' || c <= ' ' || c == 0x7f;
  });
}

}  // namespace tunesmith::bus
