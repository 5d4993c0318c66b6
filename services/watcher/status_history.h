// Shared by the tests of the fold: events as the stream would tell them, and what becomes of a
// status that they are folded into.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "bus/event.h"
#include "tunesmith/events/v1/image.pb.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"
#include "watcher/status_fold.h"

namespace tunesmith::watcher {

using nlohmann::json;
namespace v1 = events::v1;
using History = std::vector<bus::IncomingEvent>;

struct At {
  std::int64_t generation = 1;
  std::int64_t pass = 0;
};

// An event told at second `second` of a quiet hour.
template <typename Event>
bus::IncomingEvent told(int second, At at, Event event = {}, const std::string& suffix = "") {
  auto* workspace = event.mutable_workspace();
  workspace->set_uid("u1");
  workspace->set_namespace_("default");
  workspace->set_name("w");
  workspace->set_generation(at.generation);
  workspace->set_pass(at.pass);
  const auto out = bus::make_event(event, suffix);
  char time[40];
  std::snprintf(time, sizeof time, "2026-01-31T12:%02d:%02d.000Z", second / 60, second % 60);
  return {.id = out.id, .token = out.token, .uid = "u1", .payload = out.payload, .time = time};
}

inline v1::Plan plan() {
  v1::Plan plan;
  plan.set_tuning_key("key");
  auto& model = *plan.mutable_tuning()->mutable_model();
  model.set_preset("smollm2-135m-instruct");
  model.set_revision("abc");
  auto& file = *plan.mutable_tuning()->mutable_data()->add_files();
  file.set_url("https://host/data.parquet?sig=SECRET");
  file.set_size_bytes(9);
  plan.mutable_placement()->set_instance_type("local");
  plan.add_notes("a note");
  return plan;
}

inline v1::WorkspaceObserved observed(const json& annotations = json::object()) {
  v1::WorkspaceObserved event;
  event.set_manifest_json(json{{"metadata", {{"annotations", annotations}}}}.dump());
  return event;
}
inline v1::TuningPlanned planned() {
  v1::TuningPlanned event;
  *event.mutable_plan() = plan();
  return event;
}
template <typename Event>
Event failed(const std::string& reason) {
  Event event;
  event.mutable_failure()->set_class_(v1::FAILURE_CLASS_PERMANENT);
  event.mutable_failure()->set_reason(reason);
  event.mutable_failure()->set_message("what to do about " + reason);
  return event;
}
inline v1::NodesPending pending(std::uint64_t sequence, unsigned place) {
  v1::NodesPending event;
  event.set_sequence(sequence);
  event.set_queue_position(place);
  event.mutable_waiting()->set_reason("NoFreeWorker");
  event.mutable_waiting()->set_message("1 worker, all busy");
  return event;
}
inline v1::NodesReady ready() {
  v1::NodesReady event;
  event.set_sequence(1);
  event.add_nodes()->set_name("host-a");
  return event;
}
inline v1::TuningStarted started(std::uint64_t attempt, const std::string& previous = "") {
  v1::TuningStarted event;
  event.set_attempt(attempt);
  event.set_total_steps(100);
  if (!previous.empty()) event.mutable_previous_failure()->set_reason(previous);
  return event;
}
inline v1::TuningProgressed progress(std::uint64_t attempt, std::uint64_t sequence,
                                     const std::string& phase, std::uint64_t step) {
  v1::TuningProgressed event;
  event.set_attempt(attempt);
  event.set_sequence(sequence);
  event.set_phase(phase);
  event.set_step(step);
  event.set_total_steps(phase == "Downloading" ? 0 : 100);
  event.set_train_loss(1.5);
  return event;
}
inline v1::AdapterReady adapter() {
  v1::AdapterReady event;
  *event.mutable_plan() = plan();
  event.mutable_adapter()->set_sha256("ad");
  event.mutable_adapter()->set_attempt(2);
  event.mutable_result()->set_steps(100);
  event.mutable_result()->set_eval_loss_before(3.0);
  event.mutable_result()->set_eval_loss_after(0.5);
  return event;
}
inline v1::ImagePushed pushed() {
  v1::ImagePushed event;
  event.set_image("registry/a:1");
  event.set_digest("sha256:d");
  event.set_size_bytes(7);
  return event;
}

inline v1::ImagePushProgressed pushing(std::uint64_t sequence, std::uint64_t done,
                                       std::uint64_t total, const std::string& waiting = "") {
  v1::ImagePushProgressed event;
  event.set_sequence(sequence);
  event.set_bytes_done(done);
  event.set_bytes_total(total);
  if (!waiting.empty()) event.mutable_waiting()->set_reason(waiting);
  return event;
}

inline History whole_history() {
  const At at;
  return {told(0, at, observed()),
          told(2, at, planned()),
          told(3, at, v1::PlanCleared{}),
          told(4, at, pending(1, 2), "1"),
          told(9, at, pending(2, 1), "2"),
          told(10, at, ready(), "1"),
          told(11, at, started(1), "1"),
          told(12, at, progress(1, 1, "Downloading", 0), "1/1"),
          told(15, at, progress(1, 2, "Training", 10), "1/2"),
          told(20, at, started(2, "WorkerLost"), "2"),
          told(25, at, progress(2, 1, "Training", 50), "2/1"),
          told(29, at, progress(2, 2, "Storing", 100), "2/2"),
          told(30, at, adapter()),
          told(40, at, pushed())};
}

inline json folded(const History& history) {
  json status;
  for (const auto& event : history) {
    auto next = fold(status, event);
    EXPECT_TRUE(next) << next.error().message;
    if (next) status = *next;
  }
  return status;
}

inline json condition(const json& status, const std::string& type) {
  for (const auto& condition : status.at("conditions")) {
    if (condition.at("type") == type) return condition;
  }
  return json{{"status", "absent"}};
}

// All orders of a short history, each event told once and one of them twice.
inline void expect_no_order(const History& history) {
  const json expected = folded(history);
  std::vector<std::size_t> order(history.size());
  std::iota(order.begin(), order.end(), 0);
  do {
    for (std::size_t twice = 0; twice < history.size(); ++twice) {
      History shuffled;
      for (const auto index : order) shuffled.push_back(history[index]);
      shuffled.push_back(history[twice]);
      ASSERT_EQ(folded(shuffled), expected);
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace tunesmith::watcher
