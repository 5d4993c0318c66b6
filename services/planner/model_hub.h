// The model hub: which revision a name means now, and what is in it. Speaks the Hugging Face hub's
// API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "planner/retries.h"
#include "runtime/access.h"
#include "runtime/http_client.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::planner {

struct HubFile {
  std::string name;  // path in the repository
  std::uint64_t size_bytes = 0;
  std::string sha256;  // empty when the hub does not tell (small files that are not in LFS)
};

struct HubListing {
  std::string revision;  // resolved commit
  std::vector<HubFile> files;
  std::string license{};  // of its model card, e.g. "apache-2.0"; empty when it names none
};

// Pure. Permanent `ModelNotReadable` when the answer is not the hub's.
Result<HubListing> read_listing(std::string_view json, const std::string& repository);

// What a worker needs of a repository: configuration, tokenizer, chat template and safetensors
// weights. Pure. Permanent `ModelNotReadable` naming what is missing.
Result<std::vector<HubFile>> choose_files(const HubListing& listing, const std::string& repository);

// Thread-safe; `http` outlives it.
class ModelHub {
 public:
  ModelHub(const HttpClient& http, std::string base_url);

  // `access` is shown to the hub itself only, not to where it redirects. Retries inside `patience`.
  // Permanent `ModelNotFound`, `ModelAccessDenied`, `ModelNotReadable`;
  // Transient `ModelHubUnavailable`, `Stopped`.
  Result<HubListing> list(const std::string& repository, const std::string& revision,
                          const Access& access, const Patience& patience) const;
  Result<std::string> file(const std::string& repository, const std::string& revision,
                           const std::string& name, const Access& access,
                           const Patience& patience) const;
  std::string url_of(const std::string& repository, const std::string& revision,
                     const std::string& name) const;

 private:
  Result<std::string> get(const std::string& url, const std::string& what,
                          const std::string& repository, const Access& access,
                          const Patience& patience) const;

  const HttpClient& http_;
  std::string base_url_;
};

}  // namespace tunesmith::planner
