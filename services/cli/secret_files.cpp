#include "cli/secret_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/base64.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestName = 253;

bool is_key(const std::string& key) {
  return !key.empty() && key.size() <= kLongestName && key != "." && key != ".." &&
         std::all_of(key.begin(), key.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

// DNS subdomain, RFC 1123.
bool is_name(const std::string& name) {
  const auto plain = [](unsigned char c) { return std::islower(c) != 0 || std::isdigit(c) != 0; };
  return !name.empty() && name.size() <= kLongestName && plain(name.front()) &&
         plain(name.back()) && std::all_of(name.begin(), name.end(), [&](unsigned char c) {
           return plain(c) || c == '-' || c == '.';
         });
}

Result<json> object_of(const std::string& before) {
  if (before.empty()) return json::object();
  json object = json::parse(before, nullptr, false);
  if (object.is_object()) return object;
  return permanent("SecretInvalid",
                   "the secret's file holds no JSON object; delete the secret and set it again");
}

}  // namespace

Result<std::string> with_docker_login(const std::string& before, const std::string& server,
                                      const std::string& username, const std::string& password) {
  auto object = object_of(before);
  if (!object) return tl::unexpected(object.error());
  if (!object->empty() && !object->contains("auths")) {
    return permanent("SecretInvalid",
                     "the secret holds values, not logins of registries; choose another name, or "
                     "delete it first");
  }
  if (server.empty() || username.empty() || password.empty()) {
    return permanent("UsageError",
                     "a login needs --docker-server, --docker-username and a password on standard "
                     "input, one of them is empty");
  }
  if (username.find(':') != std::string::npos) {
    return permanent("UsageError", "--docker-username: a ':' cannot stand in a user's name");
  }
  json& auths = (*object)["auths"];
  if (!auths.is_object()) auths = json::object();
  auths[server] = {{"auth", base64_encode(username + ":" + password)}};
  return object->dump(2) + "\n";
}

Result<std::string> with_values(const std::string& before,
                                const std::map<std::string, std::string>& values) {
  auto object = object_of(before);
  if (!object) return tl::unexpected(object.error());
  if (object->contains("auths")) {
    return permanent("SecretInvalid",
                     "the secret holds logins of registries; choose another name, or delete it "
                     "first");
  }
  for (const auto& [key, value] : values) {
    if (!is_key(key)) {
      return permanent("UsageError",
                       "expected a key of letters, digits, '-', '_' and '.', found '" + key + "'");
    }
    if (!is_utf8(value)) {
      return permanent("UsageError", "the value of the key '" + key + "' is no UTF-8 text");
    }
    if (value.empty())
      return permanent("UsageError", "the value of the key '" + key + "' is empty");
    (*object)[key] = value;
  }
  return object->dump(2) + "\n";
}

std::vector<std::string> contents_of(const std::string& secret) {
  const json object = json::parse(secret, nullptr, false);
  if (!object.is_object()) return {"(no JSON object)"};
  std::vector<std::string> contents;
  const auto auths = object.find("auths");
  const bool logins = auths != object.end() && auths->is_object();
  for (const auto& [key, value] : (logins ? *auths : object).items()) {
    contents.push_back(logins ? "login of " + key : key);
  }
  return contents;
}

Result<void> check_secret_name(const std::string& name_space, const std::string& name) {
  for (const auto& [what, text] : {std::pair("namespace", name_space), {"secret's name", name}}) {
    if (!is_name(text)) {
      return permanent("UsageError", std::string("expected a ") + what +
                                         " of lower-case letters, digits, '-' and '.', found '" +
                                         text + "'");
    }
  }
  return {};
}

std::string without_line_end(std::string value) {
  if (value.ends_with('\n')) value.pop_back();
  if (value.ends_with('\r')) value.pop_back();
  return value;
}

}  // namespace tunesmith::cli
