// What opens private data and gated models, and how a host's refusal is told: one wording for the
// planner, which asks first, and the worker, which fetches.
#pragma once

#include <filesystem>
#include <string>

#include "runtime/http_client.h"
#include "runtime/result.h"

namespace tunesmith {

enum class AccessTo { kData, kModelHub };

struct Access {
  std::string secret;  // "namespace/name", for messages; empty = no secret is named
  std::string
      authorization;  // value of the header; goes to the host of the URL only, into no message
};

// Reads the named secret (runtime/secrets.h); an empty `name` gives no access. Never waits.
// Failures as read_secret's and data_authorization's.
Result<Access> read_access(const std::filesystem::path& secrets_dir, const std::string& name_space,
                           const std::string& name, AccessTo to);

// Adds the header, if there is one. The HTTP client drops it when a redirect leads to another
// scheme, host or port.
void authorize(HttpRequest& request, const Access& access);

// True when both URLs have scheme, host and port in common.
bool same_origin(const std::string& url, const std::string& other);

// For statuses 401, 403, 404 and 410 of a data URL. Permanent `DataNotFound`, `DataAccessDenied`.
tl::unexpected<Failure> data_refusal(const HttpResponse& answer, const std::string& url,
                                     const Access& access);

// For the same of the model hub. `what` begins the message ("the model org/name"), `repository` is
// its page on the hub. Permanent `ModelNotFound`, `ModelAccessDenied`. The hub answers 401 for what
// is private as well as for what does not exist, and marks licences by `X-Error-Code: GatedRepo`.
// Source: huggingface_hub, utils/_http.py (hf_raise_for_status).
tl::unexpected<Failure> model_refusal(const HttpResponse& answer, const std::string& what,
                                      const std::string& repository, const Access& access);

}  // namespace tunesmith
