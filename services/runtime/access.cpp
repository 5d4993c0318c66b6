#include "runtime/access.h"

#include "runtime/secrets.h"

namespace tunesmith {
namespace {

constexpr const char* kDataPurpose =
    "create it with the key token, or with the keys username and password";
constexpr const char* kModelPurpose = "create it with the key HF_TOKEN, a token of the model hub";

std::string origin_of(const std::string& url) {
  const auto parsed = parse_url(url);
  return parsed ? parsed->scheme + "://" + parsed->host + ":" + std::to_string(parsed->port) : url;
}

std::string says(const HttpResponse& answer) {
  const auto url = parse_url(answer.final_url);
  return " (" + (url ? url->host : "the host") + " answers " + std::to_string(answer.status) + ")";
}

}  // namespace

Result<Access> read_access(const std::filesystem::path& secrets_dir, const std::string& name_space,
                           const std::string& name, AccessTo to) {
  if (name.empty()) return Access{};
  const bool data = to == AccessTo::kData;
  const auto secret =
      read_secret(secrets_dir, name_space, name, data ? kDataPurpose : kModelPurpose);
  if (!secret) return tl::unexpected(secret.error());
  auto authorization = data ? data_authorization(*secret) : hub_authorization(*secret);
  if (!authorization) return tl::unexpected(authorization.error());
  return Access{.secret = secret->shown, .authorization = *std::move(authorization)};
}

void authorize(HttpRequest& request, const Access& access) {
  if (!access.authorization.empty()) {
    request.headers.emplace("Authorization", access.authorization);
  }
}

bool same_origin(const std::string& url, const std::string& other) {
  return origin_of(url) == origin_of(other);
}

tl::unexpected<Failure> data_refusal(const HttpResponse& answer, const std::string& url,
                                     const Access& access) {
  const std::string file = redact_url(url);
  if (answer.status == 404 || answer.status == 410) {
    return permanent("DataNotFound",
                     "there is no file at " + file + says(answer) + ": check tuning.input.urls" +
                         (access.secret.empty() ? ""
                                                : ", and whether the credentials in the secret " +
                                                      access.secret + " may see it"));
  }
  if (!same_origin(url, answer.final_url)) {
    return permanent("DataAccessDenied",
                     file + " leads to another host, which refuses to give it" + says(answer) +
                         "; credentials are sent to the host of the URL only: name the URL that it "
                         "leads to in tuning.input.urls");
  }
  if (access.secret.empty()) {
    return permanent("DataAccessDenied",
                     file + " may not be read without credentials" + says(answer) +
                         ": put a token, or username and password, into a secret and name that in "
                         "the annotation tunesmith.dev/data-secret, or give a URL with a valid "
                         "signature");
  }
  return permanent("DataAccessDenied",
                   "the credentials in the secret " + access.secret + " do not open " + file +
                       says(answer) +
                       (answer.status == 401 ? ": correct them, they are wrong or have expired"
                                             : ": give their owner the right to read it"));
}

tl::unexpected<Failure> model_refusal(const HttpResponse& answer, const std::string& what,
                                      const std::string& repository, const Access& access) {
  const bool known = !access.secret.empty();
  if (answer.status == 403 || answer.header("X-Error-Code") == "GatedRepo") {
    return permanent(
        "ModelAccessDenied",
        what + " is given only to users who accepted its licence" + says(answer) +
            ": accept it at " + repository +
            (known ? " as the user of the token in the secret " + access.secret +
                         ", and let the token read gated repositories"
                   : ", put a token of that user under the key HF_TOKEN into a secret and name it "
                     "in tuning.preset.presetOptions.modelAccessSecret"));
  }
  if (answer.status == 401 && known) {
    return permanent("ModelAccessDenied", "the token in the secret " + access.secret +
                                              " does not open " + what + says(answer) +
                                              ": it is wrong or has expired");
  }
  return permanent("ModelNotFound",
                   what + " does not exist on the model hub or is not public" + says(answer) +
                       ": check tuning.preset.name" +
                       (known ? ", and whether the user of the token in the secret " +
                                    access.secret + " may see it"
                              : "; a private one needs "
                                "tuning.preset.presetOptions.modelAccessSecret"));
}

}  // namespace tunesmith
