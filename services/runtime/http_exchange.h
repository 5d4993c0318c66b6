// One request to one host on one new connection: the part of the HTTP client that knows httplib.
// Not for others.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "runtime/http_client.h"
#include "runtime/name_lookup.h"
#include "runtime/request_cutter.h"

namespace tunesmith {

// The certificates that are trusted: the system's and those of `ca_file`. Read at the first use,
// then shared by all connections.
class TrustStore {
 public:
  explicit TrustStore(std::string ca_file) : ca_file_(std::move(ca_file)) {}
  // An X509_STORE to give away (one reference is the caller's). Permanent `TlsNotTrusted` when
  // ca_file cannot be used.
  Result<void*> share();

 private:
  std::string ca_file_;
  std::mutex mutex_;
  std::shared_ptr<void> store_;
};

// "GET https://host/path", as messages begin.
std::string describe(const std::string& method, const std::string& redacted_url);

// Tries the host's addresses in turn until one connects. Redirects are returned like any answer,
// without their body.
Result<HttpResponse> exchange(const HttpClientOptions& options, TrustStore& trust,
                              const NameLookup& names, const HttpRequest& request, const Url& url,
                              RequestCutter& cutter);

}  // namespace tunesmith
