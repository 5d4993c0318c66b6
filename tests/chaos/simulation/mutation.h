// Ways to break the system on purpose. Each takes away one thing that the services rely on; the
// invariants must notice each of them, or they would not notice a bug either.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tunesmith::simulation {

struct Mutation {
  enum Kind {
    kNone,
    kResultsOverwritable,  // KV results takes a second create
    kPlansOverwritable,    // KV plans takes a second create
    kLeasesShared,         // every lease looks free, and KV leases takes every write
    kCurrentFrozen,        // KV current is read as it was first written
    kBucketsSurvive,       // deleting an object store does nothing
    kNoSecondLook,         // the watcher never looks again at a silent Workspace
    kStatusLost,           // every tenth write of a status is acknowledged and dropped
    kReleasesForgotten,    // the provisioner never hears of AdapterReady and TuningFailed
    kTagsLost,             // the registry forgets every third tag that it has acknowledged
  };
  static constexpr Kind ignores_revisions_of(std::string_view stream) {
    if (stream == "KV_results") return kResultsOverwritable;
    if (stream == "KV_plans") return kPlansOverwritable;
    if (stream == "KV_leases") return kLeasesShared;
    return kNone;
  }
  struct Named {
    Kind kind;
    const char* name;
  };
  static const std::vector<Named>& all();
  static Kind named(std::string_view name);  // kNone when there is no such
};

}  // namespace tunesmith::simulation
