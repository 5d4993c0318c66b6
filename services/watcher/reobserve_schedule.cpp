#include "watcher/reobserve_schedule.h"

#include <algorithm>

namespace tunesmith::watcher {

void ReobserveSchedule::watch(const std::string& uid) {
  watched_.try_emplace(uid, Watched{times_.after, clock_.steady_now() + times_.after});
}

void ReobserveSchedule::heard(const std::string& uid, bool news) {
  watch(uid);
  Watched& watched = watched_.at(uid);
  if (news) watched.pause = times_.after;
  watched.due = clock_.steady_now() + watched.pause;
}

void ReobserveSchedule::forget(const std::string& uid) { watched_.erase(uid); }

std::vector<std::string> ReobserveSchedule::due() {
  std::vector<std::string> silent;
  const auto now = clock_.steady_now();
  for (auto& [uid, watched] : watched_) {
    if (watched.due > now) continue;
    silent.push_back(uid);
    watched.pause = std::min(2 * watched.pause, times_.most);
    watched.due = now + watched.pause;
  }
  return silent;
}

std::optional<Clock::SteadyTime> ReobserveSchedule::next() const {
  std::optional<Clock::SteadyTime> next;
  for (const auto& [uid, watched] : watched_) {
    if (!next || watched.due < *next) next = watched.due;
  }
  return next;
}

}  // namespace tunesmith::watcher
