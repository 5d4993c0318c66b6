#include "engine_line.h"

#include <nlohmann/json.hpp>

namespace tunesmith::gpu_worker {
namespace {

using Json = nlohmann::json;

template <typename Number>
Number number(const Json& line, const char* name) {
  auto found = line.find(name);
  return found != line.end() && found->is_number() ? found->get<Number>() : Number{0};
}

std::string text(const Json& line, const char* name) {
  auto found = line.find(name);
  return found != line.end() && found->is_string() ? found->get<std::string>() : std::string();
}

EngineProgress progress(const Json& line) {
  return {.step = number<std::uint64_t>(line, "step"),
          .total_steps = number<std::uint64_t>(line, "total_steps"),
          .epoch = number<double>(line, "epoch"),
          .loss = number<double>(line, "loss"),
          .learning_rate = number<double>(line, "learning_rate"),
          .tokens_per_second = number<double>(line, "tokens_per_second"),
          .eta_seconds = number<double>(line, "eta_seconds")};
}

EngineFinished finished(const Json& line) {
  return {.steps = number<std::uint64_t>(line, "steps"),
          .train_loss = number<double>(line, "train_loss"),
          .eval_loss_before = number<double>(line, "eval_loss_before"),
          .eval_loss_after = number<double>(line, "eval_loss_after"),
          .adapter_dir = text(line, "adapter_dir"),
          .seconds = number<double>(line, "seconds"),
          .tokens = number<std::uint64_t>(line, "tokens"),
          .peak_memory_bytes = number<std::uint64_t>(line, "peak_memory_bytes")};
}

EngineFailed failed(const Json& line) {
  const auto failure_class =
      text(line, "class") == "Transient" ? FailureClass::kTransient : FailureClass::kPermanent;
  return {Failure{failure_class, text(line, "reason"), text(line, "message")}};
}

}  // namespace

Result<EngineLine> parse_engine_line(const std::string& line) {
  const Json parsed = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  const std::string event = parsed.is_object() ? text(parsed, "event") : "";
  if (event == "started") {
    return EngineStarted{number<std::uint64_t>(parsed, "total_steps"),
                         number<std::uint64_t>(parsed, "resumed_step")};
  }
  if (event == "progress") return progress(parsed);
  if (event == "eval") {
    return EngineEval{number<std::uint64_t>(parsed, "step"), number<double>(parsed, "loss")};
  }
  if (event == "alive") {
    return EngineAlive{number<std::uint64_t>(parsed, "step"), text(parsed, "phase")};
  }
  if (event == "checkpoint") {
    return EngineCheckpoint{number<std::uint64_t>(parsed, "step"), text(parsed, "path")};
  }
  if (event == "finished") return finished(parsed);
  if (event == "interrupted") return EngineInterrupted{number<std::uint64_t>(parsed, "step")};
  if (event == "failed") return failed(parsed);
  return permanent("EngineProtocol",
                   "expected a JSON line of the engine, found: " + line.substr(0, 200));
}

}  // namespace tunesmith::gpu_worker
