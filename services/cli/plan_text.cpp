#include "cli/plan_text.h"

#include <nlohmann/json.hpp>

#include "cli/format.h"
#include "cli/json_view.h"
#include "cli/reasons.h"
#include "cli/section.h"
#include "planner/time_estimate.h"
#include "runtime/http_client.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

std::uint64_t data_tokens(const planner::Facts& facts) {
  std::uint64_t tokens = facts.other_data ? facts.other_data->estimated_tokens : 0;
  for (const auto& probed : facts.data) tokens += probed.inspection.estimated_tokens;
  return tokens;
}

json model_report(const events::v1::BaseModel& model, const planner::Facts& facts) {
  std::uint64_t bytes = 0;
  for (const auto& file : model.files()) bytes += file.size_bytes();
  return {{"preset", model.preset()},
          {"repository", model.repository()},
          {"revision", model.revision()},
          {"license", facts.license},
          {"architecture", model.architecture()},
          {"parameters", model.parameters()},
          {"downloadBytes", bytes}};
}

json other_data_report(const planner::OtherData& other) {
  json report = {{"rows", other.data.rows()},
                 {"layout", other.data.layout()},
                 {"estimatedTokens", other.estimated_tokens}};
  std::uint64_t bytes = 0;
  if (other.data.has_image()) {
    report["image"] = other.data.image().image();
    report["digest"] = other.data.image().digest();
  } else {
    report["volumePath"] = other.data.volume().path();
    for (const auto& file : other.data.volume().files()) bytes += file.size_bytes();
  }
  report["sizeBytes"] = bytes;
  return report;
}

json data_report(const planner::Facts& facts) {
  json all = json::array();
  for (const auto& probed : facts.data) {
    all.push_back({{"url", redact_url(probed.file.url())},
                   {"sizeBytes", probed.file.size_bytes()},
                   {"etag", probed.file.etag()},
                   {"sha256", probed.file.sha256()},
                   {"rows", probed.inspection.rows},
                   {"layout", probed.inspection.layout},
                   {"estimatedTokens", probed.inspection.estimated_tokens}});
  }
  if (facts.other_data) all.push_back(other_data_report(*facts.other_data));
  return all;
}

std::string thousands(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3;) text.insert(i -= 3, " ");
  return text;
}

std::string model_text(const json& model) {
  std::string text = text_at(model, "/repository");
  const std::int64_t parameters = integer_at(model, "/parameters");
  if (parameters > 0) text += ", " + thousands(parameters / 1'000'000) + " M parameters";
  return text;
}

std::string data_text(const json& file) {
  std::string text;
  for (const char* where : {"/url", "/image", "/volumePath"}) text += text_at(file, where);
  const std::int64_t bytes = integer_at(file, "/sizeBytes"), rows = integer_at(file, "/rows");
  if (bytes > 0) text += ", " + human_bytes(static_cast<std::uint64_t>(bytes));
  if (rows > 0) text += ", " + thousands(rows) + " rows";
  if (integer_at(file, "/estimatedTokens") > 0) {
    text += ", about " + thousands(integer_at(file, "/estimatedTokens")) + " tokens of text";
  }
  return text + ", layout " + text_at(file, "/layout");
}

std::string training_text(const json& plan) {
  const std::int64_t steps = integer_at(plan, "/steps"), tokens = integer_at(plan, "/tokens");
  std::string text = text_at(plan, "/method");
  if (steps > 0) text += ", about " + thousands(steps) + " steps";
  if (tokens > 0) text += ", about " + thousands(tokens) + " tokens";
  return text;
}

std::string machine_text(const json& plan) {
  std::string text =
      text_at(plan, "/instanceType") == "local" ? "this machine" : text_at(plan, "/instanceType");
  const std::string device = text_at(plan, "/device");
  return device.empty() ? text : text + ", " + device;
}

std::string bytes_at(const json& plan, const char* pointer) {
  return human_bytes(static_cast<std::uint64_t>(integer_at(plan, pointer)));
}

std::string cost_text(const json& plan) {
  if (text_at(plan, "/instanceType") == "local") return "0 USD: nothing is bought for this machine";
  const auto cost = number_at(plan, "/estimatedCost");
  return cost && *cost > 0 ? "about " + human_number(*cost) + " USD" : "";
}

std::string output_text(const json& plan) {
  if (const std::string folder = text_at(plan, "/volumePath"); !folder.empty()) {
    return "the folder " + folder;
  }
  const std::string secret = text_at(plan, "/imagePushSecret");
  return text_at(plan, "/image") + (secret.empty() ? "" : ", pushed with the secret " + secret) +
         "; the right to push is checked when it is applied";
}

}  // namespace

json plan_report(const planner::TuningRequest& request, const planner::Facts& facts,
                 const events::v1::Plan& plan, const planner::Inventory& inventory) {
  const auto& tuning = plan.tuning();
  const auto size = planner::training_size(
      {facts.shape, tuning.data(), tuning.hyper_parameters(), data_tokens(facts)});
  const auto& placement = plan.placement();
  const bool qlora = tuning.method() == events::v1::TUNING_METHOD_QLORA;
  json report = {{"instanceType", placement.instance_type()},
                 {"nodes", placement.nodes()},
                 {"gpusPerNode", placement.gpus_per_node()},
                 {"device", inventory.speed.name},
                 {"estimatedMemory", placement.estimated_memory_bytes()},
                 {"availableMemory", inventory.memory_bytes},
                 {"estimatedSeconds", placement.estimated_seconds()},
                 {"estimatedCost", placement.estimated_cost_usd()},
                 {"method", qlora ? "qlora" : "lora"},
                 {"steps", size.steps},
                 {"tokens", size.tokens},
                 {"model", model_report(tuning.model(), facts)},
                 {"data", data_report(facts)},
                 {"image", plan.output().image()},
                 {"imagePushSecret", plan.output().image_push_secret()},
                 {"volumePath", plan.output().volume_path()},
                 {"tuningKey", plan.tuning_key()},
                 {"notes", json::array()}};
  for (const auto& note : plan.notes()) report["notes"].push_back(note);
  const auto& metadata = request.workspace.metadata;
  return {{"namespace", metadata.name_space},
          {"name", metadata.name},
          {"refused", nullptr},
          {"plan", std::move(report)}};
}

json refusal_report(const std::string& name_space, const std::string& name,
                    const Failure& failure) {
  const auto known = reason_text(failure.reason);
  return {{"namespace", name_space},
          {"name", name},
          {"refused",
           {{"reason", failure.reason},
            {"message", failure.message},
            {"whatToDo", known ? known->what_to_do : ""}}}};
}

std::string plan_text(const json& report, const Style& style) {
  Section head;
  head.add("Workspace", text_at(report, "/namespace") + "/" + text_at(report, "/name"));
  if (const std::string reason = text_at(report, "/refused/reason"); !reason.empty()) {
    head.add("Refused", style.bad(reason) + ": " + text_at(report, "/refused/message"));
    head.add("What to do", text_at(report, "/refused/whatToDo"));
    return head.text();
  }
  const json& plan = report.at("plan");
  head.add("Runs on", machine_text(plan));
  head.add("Model", model_text(plan.at("model")));
  head.add("Revision", text_at(plan, "/model/revision"));
  const std::string license = text_at(plan, "/model/license");
  head.add("Licence", license.empty() ? "the hub names none" : license);
  head.add("Download", bytes_at(plan, "/model/downloadBytes") + " of model files, once");
  for (const json& file : array_at(plan, "/data")) head.add("Data", data_text(file));
  head.add("Training", training_text(plan));
  head.add("Memory", "about " + bytes_at(plan, "/estimatedMemory") + " of " +
                         bytes_at(plan, "/availableMemory"));
  const std::int64_t seconds = integer_at(plan, "/estimatedSeconds");
  head.add("Time", seconds > 0 ? "about " + human_duration(std::chrono::seconds(seconds)) +
                                     " of training on an idle machine"
                               : "unknown");
  head.add("Cost", cost_text(plan));
  head.add("Output", output_text(plan));
  for (const json& note : array_at(plan, "/notes")) {
    if (note.is_string()) head.add("Note", note.get<std::string>());
  }
  return head.text();
}

}  // namespace tunesmith::cli
