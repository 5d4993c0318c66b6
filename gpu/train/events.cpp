#include "train/events.h"

#include <nlohmann/json.hpp>

namespace tunesmith::engine {
namespace {

using Json = nlohmann::ordered_json;

Json optional(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json to_json(const Started& e) {
  return {{"event", "started"},
          {"total_steps", e.total_steps},
          {"train_examples", e.train_examples},
          {"eval_examples", e.eval_examples},
          {"dropped_examples", e.dropped_examples},
          {"train_tokens", e.train_tokens},
          {"target_tokens", e.target_tokens},
          {"trainable_parameters", e.trainable_parameters},
          {"resumed_step", e.resumed_step},
          {"compute", e.compute}};
}

Json to_json(const Progress& e) {
  return {{"event", "progress"},
          {"step", e.step},
          {"total_steps", e.total_steps},
          {"epoch", e.epoch},
          {"loss", e.loss},
          {"learning_rate", e.learning_rate},
          {"grad_norm", e.grad_norm},
          {"tokens_per_second", e.tokens_per_second},
          {"eta_seconds", e.eta_seconds},
          {"peak_memory_bytes", e.peak_memory_bytes}};
}

Json to_json(const Evaluated& e) { return {{"event", "eval"}, {"step", e.step}, {"loss", e.loss}}; }

Json to_json(const Alive& e) { return {{"event", "alive"}, {"step", e.step}, {"phase", e.phase}}; }

Json to_json(const CheckpointFile& e) {
  return {{"event", "checkpoint"},
          {"step", e.step},
          {"path", e.path.string()},
          {"size_bytes", e.size_bytes},
          {"seconds", e.seconds}};
}

Json to_json(const Finished& e) {
  return {{"event", "finished"},
          {"steps", e.steps},
          {"train_loss", e.train_loss},
          {"eval_loss_before", optional(e.eval_loss_before)},
          {"eval_loss_after", optional(e.eval_loss_after)},
          {"adapter_dir", e.adapter_dir.string()},
          {"seconds", e.seconds},
          {"tokens", e.tokens},
          {"peak_memory_bytes", e.peak_memory_bytes}};
}

Json to_json(const Interrupted& e) { return {{"event", "interrupted"}, {"step", e.step}}; }

Json to_json(const Failure& e) {
  const bool is_transient = e.failure_class == FailureClass::kTransient;
  return {{"event", "failed"},
          {"class", is_transient ? "Transient" : "Permanent"},
          {"reason", e.reason},
          {"message", e.message}};
}

}  // namespace

std::string to_json_line(const Event& event) {
  const Json json = std::visit([](const auto& e) { return to_json(e); }, event);
  // A path or message that is not UTF-8 must not cost the event.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tunesmith::engine
