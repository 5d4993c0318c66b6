// Time as a value that is handed in, so that tests decide what time it is.
#pragma once

#include <chrono>

namespace tunesmith {

// Thread-safe.
class Clock {
 public:
  using WallTime = std::chrono::system_clock::time_point;
  using SteadyTime = std::chrono::steady_clock::time_point;

  virtual ~Clock() = default;
  virtual WallTime wall_now() const = 0;      // for what people read
  virtual SteadyTime steady_now() const = 0;  // for deadlines and expiry
};

class SystemClock final : public Clock {
 public:
  WallTime wall_now() const override { return std::chrono::system_clock::now(); }
  SteadyTime steady_now() const override { return std::chrono::steady_clock::now(); }
};

// Stands still until a test moves it. Not synchronised: one thread moves it.
class ManualClock final : public Clock {
 public:
  WallTime wall_now() const override { return wall_; }
  SteadyTime steady_now() const override { return steady_; }
  void advance(std::chrono::nanoseconds by) {
    wall_ += std::chrono::duration_cast<WallTime::duration>(by);
    steady_ += std::chrono::duration_cast<SteadyTime::duration>(by);
  }

 private:
  WallTime wall_{std::chrono::seconds(1'700'000'000)};
  SteadyTime steady_{};
};

}  // namespace tunesmith
