#include "cli/nats_access.h"

#include <sys/random.h>

#include <cctype>
#include <stdexcept>

#include "bus/bus_document.h"
#include "bus/permissions.h"
#include "runtime/process.h"
#include "runtime/text.h"

namespace tunesmith::cli {

namespace fs = std::filesystem;

std::string random_digits(std::size_t bytes) {
  std::string random(bytes, '\0');
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    throw std::runtime_error("the kernel gives no random bytes");
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : random) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Result<std::string> kept_password(const fs::path& file) {
  if (auto kept = read_file(file, 1024); kept && kept->size() >= 32) {
    return kept->substr(0, kept->find('\n'));
  }
  const std::string fresh = random_digits(24);
  if (auto written = write_file(file, fresh + "\n", 0600); !written) {
    return tl::unexpected(written.error());
  }
  return fresh;
}

Result<std::string> bcrypt_line(const fs::path& htpasswd, const std::string& user,
                                const std::string& password) {
  const auto hashed = run_process({.argv = {htpasswd, "-niB", user}, .input = password},
                                  std::chrono::seconds(30), {});
  if (!hashed) return tl::unexpected(hashed.error());
  if (hashed->status.code == 0) return hashed->output;
  return permanent("ProcessFailed", "htpasswd failed: " + hashed->error_output);
}

fs::path nats_password_file(const StackPaths& paths, const std::string& user) {
  return paths.auth("nats-" + user);
}

Result<std::string> nats_access(const StackPaths& paths, const fs::path& htpasswd) {
  std::vector<bus::UserLogin> logins;
  for (const bus::UserGrant& grant : bus::grants()) {
    const auto password = kept_password(nats_password_file(paths, grant.user));
    if (!password) return tl::unexpected(password.error());
    const auto line = bcrypt_line(htpasswd, grant.user, *password);
    if (!line) return tl::unexpected(line.error());
    // "user:$2y$05$…": the same algorithm as "$2a$", the only name that nats-server 2.9 knows.
    const std::size_t hash = line->find("$2y$");
    if (hash == std::string::npos) {
      return permanent("ProcessFailed", "htpasswd printed no bcrypt hash");
    }
    logins.push_back(
        {grant.user, "$2a$" + line->substr(hash + 4, line->find('\n', hash) - hash - 4)});
  }
  return bus::nats_authorization(logins);
}

std::string bus_permissions(bool markdown) {
  if (markdown) return bus::permissions_markdown();
  std::vector<bus::UserLogin> logins;
  for (const bus::UserGrant& grant : bus::grants()) {
    std::string variable = "$NATS_PASSWORD_";
    for (const char c : std::string_view(grant.user)) {
      variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    logins.push_back({grant.user, variable});
  }
  return bus::nats_authorization(logins);
}

}  // namespace tunesmith::cli
