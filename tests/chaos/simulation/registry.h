// What the simulated network leads to: an OCI registry, a model hub and a host of training data.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "runtime/http_client.h"

namespace tunesmith::simulation {

// OCI distribution 1.1, as far as the image-builder speaks it.
class Registry {
 public:
  HttpResponse answer(const HttpRequest& request, const Url& url);

  // Digest of the manifest under "repository:tag"; empty when there is none.
  std::string digest_of(const std::string& image) const;
  // Its annotation dev.tunesmith.tuning-key; empty when there is none.
  std::string tuning_key_of(const std::string& image) const;
  // Every manifest that a tag ever held, in order.
  std::map<std::string, std::vector<std::string>> history;
  std::set<std::string> denied;  // repositories that nobody may push to
  bool loses_tags = false;       // every third one

 private:
  HttpResponse upload(const HttpRequest& request, const Url& url, const std::string& repository,
                      const std::string& rest);
  HttpResponse manifest(const HttpRequest& request, const std::string& repository,
                        const std::string& reference);

  std::map<std::string, std::string> blobs_;      // digest → bytes
  std::map<std::string, std::string> manifests_;  // repository:tag and repository@digest → bytes
  std::map<std::string, std::string> uploads_;    // number → bytes so far
  std::uint64_t numbers_ = 0;
};

// The hub's models and the data host's files: constant, but for what is missing.
HttpResponse hub_answer(const HttpRequest& request, const Url& url);
HttpResponse data_answer(const HttpRequest& request, const Url& url);

}  // namespace tunesmith::simulation
