#include "runtime/secrets.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "runtime/base64.h"

namespace tunesmith {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxBytes = 1u << 20;  // of a Secret in Kubernetes
constexpr const char* kDockerConfigKey = ".dockerconfigjson";

// What Kubernetes allows in names, and nothing that leaves the folder.
bool is_object_name(const std::string& name) {
  return !name.empty() && name.size() <= 253 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

auto invalid(const std::string& shown, const std::string& what) {
  return permanent("SecretInvalid", "the secret " + shown + " " + what);
}

std::string octal(mode_t mode) {
  std::array<char, 8> digits{};
  std::snprintf(digits.data(), digits.size(), "%04o", static_cast<unsigned>(mode & 07777));
  return digits.data();
}

// Owns one descriptor.
class OpenFile {
 public:
  // Without waiting for a writer, should it be a FIFO.
  explicit OpenFile(const std::filesystem::path& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int fd() const { return fd_; }
  // nullopt when it cannot be read or is longer than kMaxBytes.
  std::optional<std::string> read_all() const {
    std::string text(kMaxBytes + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
      const ssize_t got = read(fd_, text.data() + size, text.size() - size);
      if (got < 0) return std::nullopt;
      if (got == 0) break;
      size += static_cast<std::size_t>(got);
    }
    text.resize(size);
    return size <= kMaxBytes ? std::optional(std::move(text)) : std::nullopt;
  }

 private:
  int fd_;
};

Result<std::string> read_private_file(const std::filesystem::path& path, const std::string& shown,
                                      const std::string& purpose) {
  const OpenFile file(path);
  const int problem = errno;
  if (file.fd() < 0 && (problem == ENOENT || problem == ENOTDIR)) {
    return transient("SecretMissing", "the secret " + shown + " does not exist (yet); " + purpose);
  }
  if (file.fd() < 0)
    return invalid(shown, std::string("cannot be read: ") + std::strerror(problem));
  struct stat facts {};
  if (fstat(file.fd(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return invalid(shown, "is no plain file");
  }
  if ((facts.st_mode & 077) != 0) {
    return invalid(shown,
                   "may be read or changed by others than its owner (mode " + octal(facts.st_mode) +
                       "), expected 0600: chmod 600 it, or write it with tunesmith secret set");
  }
  auto text = file.read_all();
  if (!text) return invalid(shown, "cannot be read or is larger than 1 MiB");
  return *std::move(text);
}

// A token that ends in the line break of the file it was copied from is meant without it.
std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

bool is_visible_ascii(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

Result<std::string> bearer(const Secret& secret, const std::string& key) {
  const auto found = secret.values.find(key);
  const std::string token = found == secret.values.end() ? "" : trimmed(found->second);
  if (!is_visible_ascii(token)) {
    return invalid(secret.shown,
                   "has no usable key " + key + ": expected a token of visible ASCII characters");
  }
  return "Bearer " + token;
}

}  // namespace

Result<Secret> read_secret(const std::filesystem::path& secrets_dir, const std::string& name_space,
                           const std::string& name, const std::string& purpose) {
  const std::string shown = name_space.substr(0, 253) + "/" + name.substr(0, 253);
  if (!is_object_name(name) || !is_object_name(name_space)) {
    return invalid(shown,
                   "has a name that no secret can have (lower-case letters, digits, '-', '.')");
  }
  if (secrets_dir.empty()) {
    return invalid(shown, "cannot be read: the operator has set no secrets_dir");
  }
  const auto text = read_private_file(secrets_dir / name_space / name, shown, purpose);
  if (!text) return tl::unexpected(text.error());
  const json document = json::parse(*text, nullptr, false);
  if (!document.is_object()) return invalid(shown, "is no JSON object");
  Secret secret{.shown = shown, .values = {}, .docker_config = ""};
  const auto docker_keys = {"auths", "credHelpers", "credsStore"};
  if (std::any_of(docker_keys.begin(), docker_keys.end(),
                  [&](const char* key) { return document.contains(key); })) {
    secret.docker_config = *text;
    return secret;
  }
  for (const auto& [key, value] : document.items()) {
    if (!value.is_string()) return invalid(shown, "has no text under '" + key + "'");
    secret.values[key] = value.get<std::string>();
  }
  if (const auto inner = secret.values.find(kDockerConfigKey); inner != secret.values.end()) {
    secret.docker_config = inner->second;
  }
  return secret;
}

Result<std::string> data_authorization(const Secret& secret) {
  if (secret.values.contains("token")) return bearer(secret, "token");
  const auto user = secret.values.find("username");
  const auto password = secret.values.find("password");
  const bool usable = user != secret.values.end() && password != secret.values.end() &&
                      user->second.find(':') == std::string::npos;
  if (!usable) {
    return invalid(secret.shown,
                   "cannot authorise a download: expected the key token, or the keys username "
                   "(without ':') and password");
  }
  return "Basic " + base64_encode(user->second + ":" + trimmed(password->second));
}

Result<std::string> hub_authorization(const Secret& secret) { return bearer(secret, "HF_TOKEN"); }

}  // namespace tunesmith
