// A registry of the kind that docker-registry is not, for one blob: keeps uploads in memory and
// misbehaves as told.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tunesmith::testing_support {

struct OddRegistryOptions {
  bool absolute_location = false;   // with a state of its own in the query
  std::uint64_t chunk_minimum = 0;  // OCI-Chunk-Min-Length
  int busy_answers = 0;             // that many 429 with Retry-After: 0 to PATCH
  int lost_chunks = 0;              // that many PATCH keep half of their bytes and answer 500
  int forgotten_uploads = 0;        // that many PATCH answer 404 and forget the upload
  int deaf_answers = 0;             // that many PATCH are accepted and nothing of them is kept
  int wrong_digests = 0;            // that many PUT answer 400 DIGEST_INVALID; -1 = all
};

// Strict as the specification allows: chunks out of order get 416. Serves on threads it owns.
class OddRegistry {
 public:
  explicit OddRegistry(OddRegistryOptions options);
  ~OddRegistry();
  OddRegistry(const OddRegistry&) = delete;
  OddRegistry& operator=(const OddRegistry&) = delete;

  std::string host() const;
  std::string blob() const;                   // what was committed last
  std::vector<std::string> requests() const;  // "POST", "PATCH 0-1023", "GET", "PUT"

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tunesmith::testing_support
