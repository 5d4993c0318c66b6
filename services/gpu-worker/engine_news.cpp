#include "engine_news.h"

#include <string>
#include <variant>

#include "bus/event.h"

namespace tunesmith::gpu_worker {

using events::v1::TuningProgressed;

std::optional<TuningProgressed> progress_of(const EngineLine& line) {
  TuningProgressed change;
  if (const auto* started = std::get_if<EngineStarted>(&line)) {
    change.set_phase("Training");
    change.set_step(started->resumed_step);
    change.set_total_steps(started->total_steps);
  } else if (const auto* step = std::get_if<EngineProgress>(&line)) {
    change.set_phase("Training");
    change.set_step(step->step);
    change.set_total_steps(step->total_steps);
    change.set_epoch(step->epoch);
    change.set_train_loss(step->loss);
    change.set_learning_rate(step->learning_rate);
    change.set_tokens_per_second(step->tokens_per_second);
    change.set_eta_seconds(step->eta_seconds);
  } else if (const auto* eval = std::get_if<EngineEval>(&line)) {
    change.set_eval_loss(eval->loss);
  } else if (const auto* alive = std::get_if<EngineAlive>(&line)) {
    change.set_phase(alive->phase);
    change.set_step(alive->step);
  } else {
    return std::nullopt;  // the ends are judged when the process is gone
  }
  return change;
}

void EngineNews::hear(const EngineLine& line) {
  shipper_.engine_says(line);
  if (const auto* started = std::get_if<EngineStarted>(&line)) announce_start(*started);
  if (const auto* checkpoint = std::get_if<EngineCheckpoint>(&line)) {
    uploader_.offer(checkpoint->step, checkpoint->path);
  }
  if (const auto change = progress_of(line)) run_.progress.update(*change);
}

void EngineNews::announce_start(const EngineStarted& started) {
  events::v1::TuningStarted event;
  *event.mutable_workspace() = run_.workspace();
  event.set_attempt(attempt_);
  event.set_node(run_.parts.options.node);
  event.set_total_steps(started.total_steps);
  event.set_resumed_step(started.resumed_step);
  if (previous_) *event.mutable_previous_failure() = bus::to_proto(*previous_);
  auto sent = run_.parts.publisher.publish(
      bus::make_event(event, std::to_string(attempt_), run_.traceparent));
  if (!sent) run_.log.warning("start not announced", {{"reason", sent.error().reason}});
}

}  // namespace tunesmith::gpu_worker
