// What a handler remembers of an event between its tries (Disposition::retry): since when it is
// tried, what was told of it. Worth losing: after a restart the patience begins anew.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace tunesmith::bus {

// Thread-safe; what it holds is used by one thread at a time, as one event is. Bounded: events that
// are settled elsewhere are forgotten when many others came after them.
template <typename Memory>
class HeldEvents {
 public:
  // What is known of this event; made by `make` at its first try.
  std::shared_ptr<Memory> of(const std::string& event_id,
                             const std::function<std::shared_ptr<Memory>()>& make) {
    const std::scoped_lock lock(mutex_);
    auto& known = known_[event_id];
    if (known.memory == nullptr) known = {++count_, make()};
    auto memory = known.memory;
    if (known_.size() > kMost) {
      known_.erase(std::min_element(known_.begin(), known_.end(), [](const auto& a, const auto& b) {
        return a.second.number < b.second.number;
      }));
    }
    return memory;
  }
  // It will not be tried again here.
  void settled(const std::string& event_id) {
    const std::scoped_lock lock(mutex_);
    known_.erase(event_id);
  }
  std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return known_.size();
  }

 private:
  static constexpr std::size_t kMost = 4'096;
  struct Known {
    std::uint64_t number = 0;
    std::shared_ptr<Memory> memory;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Known> known_;
  std::uint64_t count_ = 0;
};

}  // namespace tunesmith::bus
