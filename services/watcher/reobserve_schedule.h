// When to look again at Workspaces from which nothing has come: pure but for the clock.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/clock.h"

namespace tunesmith::watcher {

struct ReobserveTimes {
  std::chrono::milliseconds after{60'000};  // of silence
  std::chrono::milliseconds most{600'000};  // the pause doubles up to this while nothing new comes
};

// One thread at a time.
class ReobserveSchedule {
 public:
  ReobserveSchedule(const Clock& clock, ReobserveTimes times) : clock_(clock), times_(times) {}

  // Starts watching; nothing happens when it is watched already.
  void watch(const std::string& uid);
  // An event of it came. `news`: it changed what people see, so the pause is short again.
  void heard(const std::string& uid, bool news);
  void forget(const std::string& uid);

  // Those that were silent for their pause; their next one is twice as long.
  std::vector<std::string> due();
  // When due() has something to say if nothing is heard.
  std::optional<Clock::SteadyTime> next() const;
  std::size_t size() const { return watched_.size(); }

 private:
  struct Watched {
    std::chrono::milliseconds pause;
    Clock::SteadyTime due;
  };
  const Clock& clock_;
  ReobserveTimes times_;
  std::map<std::string, Watched> watched_;
};

}  // namespace tunesmith::watcher
