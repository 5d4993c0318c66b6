#include "simulation/history.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "runtime/text.h"
#include "simulation/cluster.h"
#include "simulation/faults.h"
#include "simulation/person.h"
#include "simulation/promises.h"
#include "simulation/world.h"

namespace tunesmith::simulation {
namespace {

namespace fs = std::filesystem;

// The services' files.
class Folder {
 public:
  Folder(const fs::path& base, std::uint64_t seed) : path(base / std::to_string(seed)) {
    fs::create_directories(path);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const fs::path path;
};

constexpr Time kLook = 20 * kSecond;         // how often the promises are looked at
constexpr Time kEndsWithin = 60 * kMinute;   // of calm, everything
constexpr Time kCleanWithin = 30 * kMinute;  // of calm, everything deleted

class History {
 public:
  History(std::uint64_t seed, bool story, Mutation::Kind mutation, const fs::path& base)
      : folder_(base, seed),
        world_({.seed = seed, .story = story, .mutation = mutation, .folder = folder_.path}),
        workers_(world_.chance("scenario").chance(0.3) ? 1 : 2),
        cluster_(world_, workers_),
        person_(world_),
        faults_(world_, cluster_),
        promises_(world_, cluster_, person_, workers_) {}

  Verdict run() {
    make_secret();
    world_.registry().denied = {"denied/w1", "denied/w2", "denied/w3"};
    world_.registry().loses_tags = world_.mutated(Mutation::kTagsLost);
    const Time trouble = world_.chance("scenario").between(60, 900) * kSecond;
    person_.make_plans(trouble);
    faults_.make_plans(trouble);
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      world_.scheduler().at(world_.chance("scenario").between(0, 3'000) * kMillisecond,
                            [this, i] { cluster_.start(i); });
    }
    advance(trouble, false, [] { return false; });
    faults_.end();
    tell("all faults end");
    person_.apply_config_map();
    if (settle() && world_.chance("scenario").chance(0.5)) {
      person_.resume_all();
      settle();
    }
    if (person_.retry_what_failed() > 0) settle();
    promises_.check_truth();
    if (ok()) clean();
    return verdict();
  }

 private:
  bool ok() const { return world_.violation().empty(); }
  void tell(const char* what) { world_.story().tell("—", "{}", what); }

  void make_secret() {
    fs::create_directories(folder_.path / "secrets" / "default");
    if (!write_file(folder_.path / "secrets" / "default" / "push", R"({"auths":{}})", 0600)) {
      std::abort();
    }
  }

  // Until the time, a broken promise, or `enough` when it is looked at.
  void advance(Time until, bool calm, const std::function<bool()>& enough) {
    while (ok() && world_.now() < until && !enough()) {
      world_.scheduler().run(std::min(until, world_.now() + kLook), [this] { return !ok(); });
      if (ok()) promises_.look(calm);
    }
  }

  // Nothing is lost: without faults everything comes to its end.
  bool settle() {
    advance(world_.now() + kEndsWithin, true, [this] { return promises_.all_ended(); });
    // Late answers of what was under way may still change something.
    if (ok()) advance(world_.now() + 20 * kSecond, true, [] { return false; });
    if (ok() && !promises_.all_ended()) {
      advance(world_.now() + kEndsWithin, true, [this] { return promises_.all_ended(); });
    }
    if (ok() && !promises_.all_ended()) {
      world_.violate("an hour after the last fault " + promises_.not_ended());
    }
    return ok();
  }

  void clean() {
    tell("everything is deleted");
    person_.delete_all();
    advance(world_.now() + kCleanWithin, true, [this] { return promises_.all_gone(); });
    if (ok()) advance(world_.now() + 40 * kSecond, true, [] { return false; });
    if (ok() && !promises_.all_gone()) {
      world_.violate("half an hour after the deletion " + promises_.not_ended());
    }
    if (ok()) promises_.check_nothing_left();
  }

  Verdict verdict() {
    Verdict verdict;
    verdict.seed = world_.options().seed;
    verdict.violation = world_.violation();
    verdict.story = world_.story().lines();
    verdict.switches = world_.scheduler().switches();
    verdict.virtual_seconds = world_.now() / kSecond;
    verdict.deaths = world_.deaths;
    return verdict;
  }

  Folder folder_;
  World world_;
  const int workers_;
  Cluster cluster_;
  Person person_;
  Faults faults_;
  Promises promises_;
};

}  // namespace

Verdict run_history(std::uint64_t seed, bool story, Mutation::Kind mutation, const fs::path& base) {
  return History(seed, story, mutation, base).run();
}

}  // namespace tunesmith::simulation
