#include "planner/tuning_key.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <vector>

#include "runtime/sha256.h"

namespace tunesmith::planner {
namespace {

class Lines {
 public:
  void text(std::string_view name, const std::string& value) {
    // ensure_ascii: the form does not depend on how a terminal or an editor treats other letters
    line(name, nlohmann::json(value).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  }
  void whole(std::string_view name, std::uint64_t value) { line(name, std::to_string(value)); }
  void flag(std::string_view name, bool value) { line(name, value ? "true" : "false"); }
  void real(std::string_view name, double value) {
    std::array<char, 32> digits{};
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    line(name, std::string(digits.data(), end));
  }
  std::string take() { return std::move(text_); }

 private:
  void line(std::string_view name, const std::string& value) {
    text_ += std::string(name) + "=" + value + "\n";
  }
  std::string text_;
};

// Which bytes they are: the digest if the host told it, else the address and the version there.
// Query strings are credentials that change (SAS tokens); they count only when nothing else tells
// versions apart.
std::string identity_of(const events::v1::RemoteFile& file) {
  if (!file.sha256().empty()) {
    return "sha256:" + file.sha256();
  }
  if (!file.etag().empty()) {
    return "etag:" + file.url().substr(0, file.url().find_first_of("?#")) + " " + file.etag();
  }
  return "url:" + file.url() + " " + std::to_string(file.size_bytes());
}

void add_hyper_parameters(const events::v1::HyperParameters& hyper, Lines& lines) {
  const std::set<std::string> modules(hyper.target_modules().begin(), hyper.target_modules().end());
  lines.whole("lora_rank", hyper.lora_rank());
  lines.real("lora_alpha", hyper.lora_alpha());
  lines.real("lora_dropout", hyper.lora_dropout());
  lines.flag("use_rslora", hyper.use_rslora());
  for (const auto& module : modules) {
    lines.text("target_module", module);
  }
  lines.flag("double_quantization", hyper.double_quantization());
  lines.real("num_train_epochs", hyper.num_train_epochs());
  lines.whole("max_steps", hyper.max_steps());
  lines.whole("per_device_train_batch_size", hyper.per_device_train_batch_size());
  lines.whole("gradient_accumulation_steps", hyper.gradient_accumulation_steps());
  lines.real("learning_rate", hyper.learning_rate());
  lines.text("lr_scheduler_type", hyper.lr_scheduler_type());
  lines.whole("warmup_steps", hyper.warmup_steps());
  lines.real("warmup_ratio", hyper.warmup_ratio());
  lines.real("weight_decay", hyper.weight_decay());
  lines.real("adam_beta1", hyper.adam_beta1());
  lines.real("adam_beta2", hyper.adam_beta2());
  lines.real("adam_epsilon", hyper.adam_epsilon());
  lines.real("max_grad_norm", hyper.max_grad_norm());
  lines.whole("seed", hyper.seed());
  lines.flag("gradient_checkpointing", hyper.gradient_checkpointing());
  lines.flag("shuffle_dataset", hyper.shuffle_dataset());
  lines.real("train_test_split", hyper.train_test_split());
  lines.whole("max_seq_length", hyper.max_seq_length());
  lines.flag("packing", hyper.packing());
  lines.flag("assistant_only_loss", hyper.assistant_only_loss());
}

}  // namespace

std::string canonical_form(const events::v1::TuningPlan& plan) {
  Lines lines;
  lines.whole("tuning_key_version", 1);
  lines.whole("numerics_version", plan.numerics_version());
  lines.text("method", plan.method() == events::v1::TUNING_METHOD_LORA ? "lora" : "qlora");
  lines.text("model_repository", plan.model().repository());
  lines.text("model_revision", plan.model().revision());
  for (const auto& file : plan.data().files()) {
    lines.text("data", identity_of(file));
  }
  if (plan.data().has_image()) {
    lines.text("data", "image:" + plan.data().image().digest());
  }
  for (const auto& file : plan.data().volume().files()) {
    lines.text("data", "sha256:" + file.sha256());
  }
  add_hyper_parameters(plan.hyper_parameters(), lines);
  return lines.take();
}

std::string tuning_key(const events::v1::TuningPlan& plan) {
  return sha256_hex(canonical_form(plan));
}

}  // namespace tunesmith::planner
