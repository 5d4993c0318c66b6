#include "cli/progress_line.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/format.h"
#include "cli/json_view.h"
#include "cli/table.h"
#include "runtime/text.h"
#include "workspace/workspace.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

// Bytes count only while something is on its way: the numbers of the download stay in the status
// when it is over.
bool has_bytes(const json& status) {
  const std::string phase = text_at(status, "/tuning/phase");
  return integer_at(status, "/tuning/bytesTotal") > 0 &&
         (phase == "Downloading" || phase == "Pushing");
}

// In [0, 1], or negative when nothing is counted at the moment.
double share_done(const json& status) {
  if (has_bytes(status)) {
    return number_at(status, "/tuning/bytesDone").value_or(0) /
           static_cast<double>(integer_at(status, "/tuning/bytesTotal"));
  }
  const auto total = integer_at(status, "/tuning/totalSteps");
  if (total <= 0) return -1;
  return number_at(status, "/tuning/step").value_or(0) / static_cast<double>(total);
}

bool is_training(const json& status) {
  const std::string phase = text_at(status, "/tuning/phase");
  return phase == "Training" || phase == "Evaluating";
}

std::string waiting_text(const json& status) {
  std::string text = text_at(status, "/waiting/reason");
  const std::int64_t place = integer_at(status, "/waiting/queuePosition");
  if (place > 0) text += " (place " + std::to_string(place) + ")";
  const std::string message = text_at(status, "/waiting/message");
  return message.empty() ? text : text + ": " + message;
}

std::string numbers(const json& status) {
  std::string text;
  if (has_bytes(status)) {
    return "  " + human_bytes(static_cast<std::uint64_t>(integer_at(status, "/tuning/bytesDone"))) +
           " of " +
           human_bytes(static_cast<std::uint64_t>(integer_at(status, "/tuning/bytesTotal")));
  }
  if (!is_training(status)) return text;
  if (const auto loss = number_at(status, "/tuning/trainLoss"); loss && *loss != 0) {
    text += "  loss " + human_number(*loss);
  }
  if (const auto rate = number_at(status, "/tuning/tokensPerSecond"); rate && *rate > 0) {
    text += "  " + std::to_string(std::llround(*rate)) + " tok/s";
  }
  if (const auto eta = number_at(status, "/tuning/etaSeconds"); eta && *eta > 0) {
    text += "  eta " + human_duration(std::chrono::seconds(std::llround(*eta)));
  }
  return text;
}

std::string stage_times(const json& status) {
  Table table;
  for (const json& stage : array_at(status, "/stages")) {
    const auto from = parse_rfc3339(text_at(stage, "/startedAt"));
    const auto to = parse_rfc3339(text_at(stage, "/finishedAt"));
    if (!from || !to) continue;
    const double seconds = std::chrono::duration<double>(*to - *from).count();
    table.rows.push_back({"  " + text_at(stage, "/name"),
                          seconds < 10
                              ? human_number(std::round(seconds * 10) / 10) + "s"
                              : human_duration(std::chrono::seconds(std::llround(seconds)))});
  }
  return table.rows.empty() ? "" : "Time per stage:\n" + to_text(table);
}

}  // namespace

std::string final_state(const json& object, const json& status) {
  if (integer_at(status, "/observedGeneration") < integer_at(object, "/metadata/generation")) {
    return "";
  }
  if (text_at(status, "/observedAnnotations") != workspace::annotations_hash(object)) return "";
  const std::string state = text_at(status, "/state");
  return state == "Succeeded" || state == "Failed" ? state : "";
}

std::string stage_of(const json& status) {
  std::string state = text_at(status, "/state");
  if (state == "Succeeded" || state == "Failed") return state;
  if (condition_status(status, "WorkspaceDeleting") == "True") return "Deleting";
  if (!text_at(status, "/waiting/reason").empty()) return "Waiting";
  // The phase knows of a new attempt; the stages tell when each was first entered.
  std::string phase = text_at(status, "/tuning/phase");
  if (!phase.empty() && phase != "Finished") return phase;
  for (const json& stage : array_at(status, "/stages")) {
    std::string name = text_at(stage, "/name");
    if (!name.empty() && name != "Waiting" && text_at(stage, "/finishedAt").empty()) return name;
  }
  return state == "Running" || !array_at(status, "/stages").empty() ? "Starting" : "Pending";
}

std::string progress_of(const json& status) {
  if (std::string waiting = text_at(status, "/waiting/reason"); !waiting.empty()) return waiting;
  const double share = share_done(status);
  if (share < 0) return "";
  if (has_bytes(status)) return std::to_string(std::lround(share * 100)) + "%";
  return std::to_string(integer_at(status, "/tuning/step")) + "/" +
         std::to_string(integer_at(status, "/tuning/totalSteps"));
}

std::string plain_line(const json& status) {
  const std::string stage = stage_of(status);
  if (stage == "Waiting") return "Waiting  " + waiting_text(status);
  if (stage == "Failed") return "Failed  " + text_at(status, "/failure/reason");
  std::string text = stage;
  if (is_training(status) && stage != "Succeeded") text += "  " + progress_of(status);
  return text + (stage == "Succeeded" ? "" : numbers(status));
}

std::string terminal_line(const json& status, std::size_t width) {
  const std::string stage = stage_of(status);
  const double share = share_done(status);
  const bool counted = is_training(status) || has_bytes(status);
  if (share < 0 || !counted || stage == "Waiting" || stage == "Failed" || stage == "Succeeded") {
    return cut_to_width(plain_line(status), width);
  }
  const std::string right = "  " + progress_of(status) + numbers(status);
  const std::size_t used = display_width(stage) + 1 + display_width(right);
  if (used + 12 > width) return cut_to_width(plain_line(status), width);
  return stage + " " + progress_bar(share, std::min<std::size_t>(40, width - used)) + right;
}

std::string summary(const json& object, const json& status) {
  const std::string name = text_at(object, "/metadata/name");
  if (final_state(object, status) == "Failed") {
    return "Workspace " + name + " failed: " + text_at(status, "/failure/reason") + ": " +
           text_at(status, "/failure/message") + "\n";
  }
  std::string text = "Workspace " + name + " succeeded\n";
  const std::string image = text_at(status, "/output/image");
  if (!image.empty()) {
    const std::string digest = text_at(status, "/output/digest");
    text += "Image: " + image + (digest.empty() ? "" : "@" + digest) + "\n";
  }
  const std::string folder = text_at(status, "/output/path");
  if (!folder.empty()) text += "Adapter: " + folder + "\n";
  const auto before = number_at(status, "/tuning/evalLossBefore");
  const auto after = number_at(status, "/tuning/evalLoss");
  if (before && after) {
    text += "Evaluation loss: " + human_number(*before) + " before, " + human_number(*after) +
            " after\n";
  }
  return text + stage_times(status);
}

}  // namespace tunesmith::cli
