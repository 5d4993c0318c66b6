#include "workspace/image_reference.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace tunesmith::workspace {
namespace {

constexpr std::size_t kMaxReference = 512;
constexpr std::size_t kMaxRepository =
    255;  // with the registry, as docker's reference library has it

bool lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool upper_letter(char c) { return c >= 'A' && c <= 'Z'; }
bool word(char c) { return lower_alnum(c) || upper_letter(c) || c == '_'; }

tl::unexpected<Failure> refused(std::string_view text, const std::string& why) {
  return permanent("ImageReferenceInvalid",
                   "'" + std::string(text.substr(0, kMaxReference)) +
                       "' is no image reference (expected registry/repository:tag): " + why);
}

// One path component: alphanumeric runs joined by '.', '_', '__' or any number of '-'.
bool valid_component(std::string_view part) {
  if (part.empty() || !lower_alnum(part.front()) || !lower_alnum(part.back())) {
    return false;
  }
  for (std::size_t i = 0; i < part.size();) {
    std::size_t end = i;
    while (end < part.size() && !lower_alnum(part[end])) {
      ++end;
    }
    const std::string_view joint = part.substr(i, end - i);
    const bool dashes = std::all_of(joint.begin(), joint.end(), [](char c) { return c == '-'; });
    if (!dashes && joint != "." && joint != "_" && joint != "__") {
      return false;
    }
    i = end + 1;
  }
  return true;
}

// host or host:port; hosts are names, IPv4 addresses or bracketed IPv6 addresses.
bool valid_registry(std::string_view text) {
  std::string_view host = text;
  if (const auto colon = text.rfind(':');
      colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos) {
    unsigned port = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
    if (error != std::errc() || stop != end || port < 1 || port > 65535) {
      return false;
    }
    host = text.substr(0, colon);
  }
  if (host.starts_with('[')) {
    return host.ends_with(']') &&
           host.find_first_not_of("[]0123456789abcdefABCDEF:.") == std::string_view::npos;
  }
  return !host.empty() && host.front() != '.' && host.front() != '-' && host.back() != '-' &&
         host.find("..") == std::string_view::npos &&
         std::all_of(host.begin(), host.end(),
                     [](char c) { return word(c) || c == '.' || c == '-'; });
}

bool valid_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= 128 && word(tag.front()) &&
         std::all_of(tag.begin(), tag.end(),
                     [](char c) { return word(c) || c == '.' || c == '-'; });
}

bool valid_digest(std::string_view digest) {
  constexpr std::string_view kAlgorithm = "sha256:";
  return digest.starts_with(kAlgorithm) && digest.size() == kAlgorithm.size() + 64 &&
         digest.find_first_not_of("0123456789abcdef", kAlgorithm.size()) == std::string_view::npos;
}

Result<void> check_repository(std::string_view text, const std::string& repository) {
  if (std::any_of(repository.begin(), repository.end(), upper_letter)) {
    return refused(text, "repository names are lower-case, found '" + repository +
                             "'; replace placeholders such as IMAGE_NAME_HERE by your own names");
  }
  for (std::size_t begin = 0; begin <= repository.size();) {
    const std::size_t end = std::min(repository.find('/', begin), repository.size());
    const std::string part = repository.substr(begin, end - begin);
    if (!valid_component(part)) {
      return refused(text, "'" + part +
                               "' is no part of a repository name (lower-case letters and digits, "
                               "joined by '.', '_' or '-')");
    }
    begin = end + 1;
  }
  return {};
}

}  // namespace

Result<ImageReference> parse_image_reference(std::string_view text) {
  if (text.empty() || text.size() > kMaxReference) {
    return refused(text, text.empty() ? "it is empty" : "it is longer than 512 characters");
  }
  ImageReference reference;
  std::string_view rest = text;
  if (rest.find("://") != std::string_view::npos) {
    return refused(text,
                   "leave out the '" + std::string(rest.substr(0, rest.find("://") + 3)) + "'");
  }
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    reference.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!valid_digest(reference.digest)) {
      return refused(text, "the part after '@' must be sha256: and 64 lower-case hex digits");
    }
  }
  const auto slash = rest.rfind('/');
  if (const auto colon = rest.rfind(':');
      colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    reference.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!valid_tag(reference.tag)) {
      return refused(
          text, "'" + reference.tag + "' is no tag (at most 128 letters, digits, '_', '.', '-')");
    }
  } else if (reference.digest.empty()) {
    reference.tag = "latest";
  }
  const auto first = rest.find('/');
  const std::string_view head = rest.substr(0, first);
  // Docker's rule: the first component is a registry only if it looks like a host.
  if (first != std::string_view::npos &&
      (head.find_first_of(".:") != std::string_view::npos || head == "localhost" ||
       std::any_of(head.begin(), head.end(), upper_letter))) {
    reference.registry = head;
    reference.repository = rest.substr(first + 1);
    if (!valid_registry(head)) {
      return refused(text, "'" + std::string(head) + "' is no registry host");
    }
  } else {
    reference.registry = "docker.io";
    reference.repository =
        first == std::string_view::npos ? "library/" + std::string(rest) : std::string(rest);
  }
  if (reference.registry.size() + reference.repository.size() > kMaxRepository) {
    return refused(text, "registry and repository are longer than 255 characters");
  }
  if (auto valid = check_repository(text, reference.repository); !valid) {
    return tl::unexpected(valid.error());
  }
  return reference;
}

}  // namespace tunesmith::workspace
