#include "cli/describe_text.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/format.h"
#include "cli/json_view.h"
#include "cli/progress_line.h"
#include "cli/reasons.h"
#include "cli/section.h"
#include "cli/table.h"
#include "runtime/http_client.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;
using WallTime = std::chrono::system_clock::time_point;

std::string ago(const std::string& time, WallTime now) {
  const auto then = parse_rfc3339(time);
  if (!then) return time;
  return human_duration(std::chrono::floor<std::chrono::seconds>(now - *then)) + " ago";
}

std::string number_text(const json& object, const std::string& pointer) {
  const auto value = number_at(object, pointer);
  return value ? human_number(*value) : "";
}

std::string bytes_text(const json& object, const std::string& pointer) {
  const std::int64_t bytes = integer_at(object, pointer);
  return bytes > 0 ? human_bytes(static_cast<std::uint64_t>(bytes)) : "";
}

std::string joined(const json& map) {
  std::string text;
  for (const auto& [key, value] : map.items()) {
    text += (text.empty() ? "" : ", ") + key + "=" +
            (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

struct Field {
  const char* name;
  const char* pointer;
  std::string (*text)(const json& object, const std::string& pointer);
};

void add(Section& section, const json& object, std::initializer_list<Field> fields) {
  for (const Field& field : fields) section.add(field.name, field.text(object, field.pointer));
}

std::string head(const json& object, const json& status, WallTime now, const Style& style) {
  Section section;
  section.add("Name", text_at(object, "/metadata/name"));
  section.add("Namespace", text_at(object, "/metadata/namespace"));
  section.add("UID", text_at(object, "/metadata/uid"));
  section.add("Generation", std::to_string(integer_at(object, "/metadata/generation")));
  section.add("Created", ago(text_at(object, "/metadata/creationTimestamp"), now));
  for (const char* map : {"labels", "annotations"}) {
    const json* value = member(object, std::string("/metadata/") + map);
    if (value != nullptr && value->is_object()) section.add(map, joined(*value));
  }
  section.add("Preset", text_at(object, "/tuning/preset/name"));
  section.add("Method", text_at(object, "/tuning/method"));
  section.add("Configuration", text_at(object, "/tuning/config"));
  for (const json& url : array_at(object, "/tuning/input/urls")) {
    if (url.is_string()) section.add("Data", redact_url(url.get<std::string>()));
  }
  section.add("Data", text_at(object, "/tuning/input/image"));
  section.add("Data", text_at(object, "/tuning/input/volumeSource/hostPath/path"));
  section.add("Output", text_at(object, "/tuning/output/image"));
  section.add("Output", text_at(object, "/tuning/output/volumeSource/hostPath/path"));
  const std::string state = text_at(status, "/state");
  section.add("State", style.state(state.empty() ? "Pending" : state));
  const std::string failure = text_at(status, "/failure/reason");
  if (!failure.empty()) {
    section.add("Failure", style.bad(failure) + ": " + text_at(status, "/failure/message"));
  }
  const std::string waiting = text_at(status, "/waiting/reason");
  if (!waiting.empty()) section.add("Now", style.warn(plain_line(status)));
  if (const auto known = reason_text(failure.empty() ? waiting : failure)) {
    section.add("What to do", known->what_to_do);
  }
  section.add("Next", next_step(object, status));
  return section.text();
}

// From its beginning in the first attempt; empty before its end.
std::string training_took(const json& status) {
  for (const json& stage : array_at(status, "/stages")) {
    const auto from = parse_rfc3339(text_at(stage, "/startedAt"));
    const auto to = parse_rfc3339(text_at(stage, "/finishedAt"));
    if (text_at(stage, "/name") != "Training" || !from || !to) continue;
    return human_duration(std::chrono::round<std::chrono::seconds>(*to - *from));
  }
  return "";
}

std::string time_text(const json& status) {
  const auto seconds = number_at(status, "/plan/estimatedSeconds");
  if (!seconds || *seconds <= 0) return "";
  const std::string took = training_took(status);
  return "estimated " + human_duration(std::chrono::seconds(std::llround(*seconds))) +
         " of training" + (took.empty() ? "" : ", took " + took);
}

std::string cost_text(const json& status) {
  if (text_at(status, "/plan/instanceType") == "local") return "0 USD, on this machine";
  const auto cost = number_at(status, "/plan/estimatedCost");
  return cost && *cost > 0 ? "estimated " + human_number(*cost) + " USD" : "";
}

std::string plan(const json& status) {
  Section section("Plan");
  add(section, status,
      {{"Model", "/plan/repository", text_at},
       {"Revision", "/plan/modelRevision", text_at},
       {"Instance", "/plan/instanceType", text_at},
       {"Nodes", "/plan/nodes", number_text},
       {"GPUs per node", "/plan/gpusPerNode", number_text},
       {"Memory", "/plan/estimatedMemory", bytes_text}});
  section.add("Time", time_text(status));
  section.add("Cost", cost_text(status));
  for (const json& file : array_at(status, "/plan/data")) {
    const std::string from =
        text_at(file, "/url") + text_at(file, "/image") + text_at(file, "/path");
    section.add("Data", from + " " + bytes_text(file, "/sizeBytes"));
  }
  for (const json& note : array_at(status, "/plan/notes")) {
    if (note.is_string()) section.add("Note", note.get<std::string>());
  }
  return section.text();
}

std::string tuning(const json& status, const std::optional<LocalRegistry>& registry) {
  Section section("Tuning");
  add(section, status,
      {{"Phase", "/tuning/phase", text_at},
       {"Progress", "", [](const json& all, const std::string&) { return progress_of(all); }},
       {"Attempt", "/tuning/attempt", number_text},
       {"Training loss", "/tuning/trainLoss", number_text},
       {"Evaluation loss before", "/tuning/evalLossBefore", number_text},
       {"Evaluation loss", "/tuning/evalLoss", number_text},
       {"Tokens per second", "/tuning/tokensPerSecond", number_text},
       {"Tuning key", "/tuning/tuningKey", text_at},
       {"Adapter", "/tuning/adapterDigest", text_at}});
  Section output(text_at(status, "/output/path").empty() ? "Image" : "Folder");
  add(output, status,
      {{"Name", "/output/image", text_at},
       {"Digest", "/output/digest", text_at},
       {"Size", "/output/sizeBytes", bytes_text},
       {"Pushed", "/output/pushedAt", text_at}});
  const PullLines lines = pull_lines(status, registry);
  output.add("Log in", lines.login);
  output.add("Pull", lines.oras);
  output.add("or", lines.docker);
  return section.text() + output.text();
}

std::string conditions(const json& status, WallTime now) {
  Table table{{"  TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"}, {}};
  for (const json& item : array_at(status, "/conditions")) {
    table.rows.push_back({"  " + text_at(item, "/type"), text_at(item, "/status"),
                          text_at(item, "/reason"), ago(text_at(item, "/lastTransitionTime"), now),
                          text_at(item, "/message")});
  }
  return table.rows.empty() ? "" : "Conditions:\n" + to_text(table);
}

std::string stages(const json& status, WallTime now) {
  Table table;
  for (const json& stage : array_at(status, "/stages")) {
    const auto from = parse_rfc3339(text_at(stage, "/startedAt"));
    const auto to = parse_rfc3339(text_at(stage, "/finishedAt"));
    if (!from) continue;
    const auto time = std::chrono::round<std::chrono::seconds>(to.value_or(now) - *from);
    table.rows.push_back(
        {"  " + text_at(stage, "/name"), human_duration(time) + (to ? "" : " so far")});
  }
  return table.rows.empty() ? "" : "Stages:\n" + to_text(table);
}

std::string incidents(const json& status, WallTime now) {
  Table table;
  for (const json& incident : array_at(status, "/incidents")) {
    const std::int64_t count = integer_at(incident, "/count");
    table.rows.push_back(
        {"  " + ago(text_at(incident, "/time"), now),
         text_at(incident, "/reason") + (count > 1 ? " (" + std::to_string(count) + " times)" : ""),
         text_at(incident, "/message")});
  }
  return table.rows.empty() ? "" : "Incidents:\n" + to_text(table);
}

}  // namespace

std::string describe_text(const json& object, const std::vector<std::string>& event_lines,
                          WallTime now, const DescribeLook& look) {
  const json* found = member(object, "/status");
  const json status = found == nullptr ? json::object() : *found;
  std::string text = head(object, status, now, look.style) + plan(status) +
                     tuning(status, look.registry) + conditions(status, now) + stages(status, now) +
                     incidents(status, now);
  if (!event_lines.empty()) text += "Events:\n";
  for (const std::string& line : event_lines) text += "  " + line + "\n";
  return text;
}

}  // namespace tunesmith::cli
