#include "log_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

#include "runtime/http_client.h"
#include "runtime/text.h"

namespace tunesmith::gpu_worker {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 8> kOfEveryLine{
    "time", "level", "service", "message", "workspace", "uid", "generation", "traceparent"};

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

bool starts_with_ignoring_case(std::string_view text, std::string_view word) {
  return text.size() >= word.size() &&
         std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

// Where a URL or a token ends in running text.
std::size_t end_of_word(std::string_view text, std::size_t begin) {
  return std::min(text.find_first_of(" \t\"'<>`,;)]}", begin), text.size());
}

// How many bytes at `at` are to be replaced, by what; 0 = none.
std::size_t secret_at(std::string_view text, std::size_t at, std::string& replacement) {
  const std::string_view rest = text.substr(at);
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!starts_with_ignoring_case(rest, scheme)) continue;
    const std::size_t end = end_of_word(text, at);
    replacement = redact_url(text.substr(at, end - at));
    return end - at;
  }
  const bool begins = at == 0 || std::isalnum(static_cast<unsigned char>(text[at - 1])) == 0;
  if (!begins) return 0;
  for (const std::string_view scheme : {"bearer ", "basic "}) {
    if (!starts_with_ignoring_case(rest, scheme)) continue;
    const std::size_t end = end_of_word(text, at + scheme.size());
    replacement = std::string(rest.substr(0, scheme.size())) + "***";
    return end - at;
  }
  if (rest.starts_with("hf_") && end_of_word(text, at) - at > 12) {
    replacement = "hf_***";
    return end_of_word(text, at) - at;
  }
  return 0;
}

std::string without_secrets(std::string_view text) {
  std::string out, replacement;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = secret_at(text, at, replacement);
    out += length == 0 ? std::string(1, text[at]) : replacement;
    at += std::max<std::size_t>(length, 1);
  }
  return out;
}

struct Words {
  std::string operator()(const EngineStarted& line) const {
    return line.resumed_step == 0 ? fmt::format("training begins: {} steps", line.total_steps)
                                  : fmt::format("training goes on from step {} of {}",
                                                line.resumed_step, line.total_steps);
  }
  std::string operator()(const EngineProgress& line) const {
    return fmt::format("step {}/{}  epoch {:.2f}  loss {:.4f}  learning rate {:.3g}  {:.0f} tok/s",
                       line.step, line.total_steps, line.epoch, line.loss, line.learning_rate,
                       line.tokens_per_second);
  }
  std::string operator()(const EngineEval& line) const {
    return fmt::format("evaluation at step {}: loss {:.4f}", line.step, line.loss);
  }
  std::string operator()(const EngineAlive& /*line*/) const { return ""; }
  std::string operator()(const EngineCheckpoint& line) const {
    return fmt::format("checkpoint at step {}", line.step);
  }
  std::string operator()(const EngineFinished& line) const {
    return fmt::format(
        "training finished: {} steps, {} tokens, {:.1f} s, loss {:.4f}, evaluation loss {:.4f} "
        "before and {:.4f} after",
        line.steps, line.tokens, line.seconds, line.train_loss, line.eval_loss_before,
        line.eval_loss_after);
  }
  std::string operator()(const EngineInterrupted& line) const {
    return fmt::format("stopped at step {}", line.step);
  }
  std::string operator()(const EngineFailed& line) const {
    return "failed: " + line.failure.reason + ": " + line.failure.message;
  }
};

}  // namespace

std::string safe_log_text(std::string_view line) {
  std::string text = valid_utf8(line.substr(0, 4 * kLongestLogLine));
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  text = without_secrets(text);
  while (!text.empty() && is_space(text.back())) text.pop_back();
  if (text.size() <= kLongestLogLine) return text;
  std::size_t end = kLongestLogLine - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string log_text_of(const EngineLine& line) { return std::visit(Words{}, line); }

std::string agent_log_text(std::string_view json_line) {
  const json line = json::parse(json_line, nullptr, false);
  if (!line.is_object()) return std::string(json_line);
  const std::string level = line.value("level", "");
  std::string text = level == "info" || level.empty() ? "" : level + ": ";
  text += line.value("message", "");
  for (const auto& [name, value] : line.items()) {
    if (std::find(kOfEveryLine.begin(), kOfEveryLine.end(), name) != kOfEveryLine.end()) continue;
    text += "  " + name + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

}  // namespace tunesmith::gpu_worker
