// Ends a job when its Workspace's generation no longer counts, or when the service stops.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <thread>

#include "bus/current.h"

namespace tunesmith::image_builder {

// Watches KV `current` on a thread of its own, which it joins. `current` outlives it.
class StandingWatch {
 public:
  StandingWatch(bus::KeyValue& current, const events::v1::WorkspaceRef& workspace,
                std::stop_token service_stop);
  ~StandingWatch();
  StandingWatch(const StandingWatch&) = delete;
  StandingWatch& operator=(const StandingWatch&) = delete;

  std::stop_token token() const { return job_.get_token(); }
  bool superseded() const { return superseded_; }

 private:
  std::stop_source job_;
  std::atomic<bool> superseded_ = false;
  std::stop_callback<std::function<void()>> on_service_stop_;
  std::jthread thread_;
};

}  // namespace tunesmith::image_builder
