// What happened, in time order, for people.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "simulation/scheduler.h"

namespace tunesmith::simulation {

// Nothing is written, and nothing formatted, unless it is wanted: most histories are never read.
class Story {
 public:
  Story(const Scheduler& scheduler, bool wanted) : scheduler_(scheduler), wanted_(wanted) {}

  bool wanted() const { return wanted_; }
  template <typename... Parts>
  void tell(const std::string& who, fmt::format_string<Parts...> format, Parts&&... parts) {
    if (wanted_) add(who, fmt::format(format, std::forward<Parts>(parts)...));
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  void add(const std::string& who, const std::string& what) {
    const Time ms = scheduler_.now() / kMillisecond;
    lines_.push_back(fmt::format("{:02}:{:02}:{:02}.{:03}  {:<14} {}", ms / 3'600'000,
                                 ms / 60'000 % 60, ms / 1'000 % 60, ms % 1'000, who, what));
  }

  const Scheduler& scheduler_;
  const bool wanted_;
  std::vector<std::string> lines_;
};

}  // namespace tunesmith::simulation
