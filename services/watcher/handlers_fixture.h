// Shared by the tests of the handlers: a watcher on in-memory buckets, and what a person and the
// stream do to it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bus/current.h"
#include "fakes/memory_bus.h"
#include "tunesmith/events/v1/workspace.pb.h"
#include "watcher/handlers.h"

namespace tunesmith::watcher {

using fakes::MemoryKeyValue;
using fakes::RecordingPublisher;
using nlohmann::json;
using std::chrono::seconds;
namespace v1 = events::v1;

// Notes whether `current` was already there when an announcement was made.
class OrderedPublisher final : public bus::Publisher {
 public:
  OrderedPublisher(MemoryKeyValue& current, RecordingPublisher& to) : current_(current), to_(to) {}
  Result<void> publish(const bus::OutgoingEvent& event) override {
    EXPECT_TRUE(current_.value(event.uid)) << "announced before current was written";
    return to_.publish(event);
  }

 private:
  MemoryKeyValue& current_;
  RecordingPublisher& to_;
};

class WatcherTest : public ::testing::Test {
 protected:
  WatcherTest() { restart(); }

  // A new process on the same buckets.
  void restart() {
    handlers_.emplace(
        Handlers::Parts{workspaces_, current_, ordered_, clock_, metrics_, Log::silent()},
        ReobserveTimes{});
  }

  static json object(std::int64_t generation = 1) {
    return {{"apiVersion", "kaito.sh/v1alpha1"},
            {"kind", "Workspace"},
            {"metadata",
             {{"name", "w"}, {"namespace", "default"}, {"uid", "u1"}, {"generation", generation}}},
            {"tuning", {{"method", "qlora"}}}};
  }
  void apply(const json& object) {
    ASSERT_TRUE(workspaces_.put("spec.default.w", object.dump()));
    show();
  }
  void show() {
    auto entry = workspaces_.get("spec.default.w");
    ASSERT_TRUE(entry && *entry);
    handlers_->on_spec(**entry, {});
  }
  // Delivers what the watcher said to itself, as the stream does.
  void deliver_own() {
    const auto all = publisher_.published();
    for (; delivered_ < all.size(); ++delivered_) {
      EXPECT_EQ(handlers_->on_event(fakes::delivered(all[delivered_])).kind,
                bus::Disposition::Kind::kDone);
    }
  }
  template <typename Event>
  bus::Disposition deliver(Event event, const std::string& suffix = "") {
    event.mutable_workspace()->set_uid("u1");
    event.mutable_workspace()->set_namespace_("default");
    event.mutable_workspace()->set_name("w");
    event.mutable_workspace()->set_generation(1);
    return handlers_->on_event(fakes::delivered(bus::make_event(event, suffix)));
  }
  json status() { return json::parse(workspaces_.value("status.default.w").value_or("null")); }
  std::vector<v1::WorkspaceObserved> announced() { return publisher_.all<v1::WorkspaceObserved>(); }

  MemoryKeyValue workspaces_, current_;
  RecordingPublisher publisher_;
  OrderedPublisher ordered_{current_, publisher_};
  ManualClock clock_;
  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  std::optional<Handlers> handlers_;
  std::size_t delivered_ = 0;
};

}  // namespace tunesmith::watcher
