#include "cli/event_text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <array>
#include <cctype>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "cli/format.h"
#include "cli/json_view.h"
#include "runtime/http_client.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

// Big or told elsewhere on the line.
constexpr std::array<std::string_view, 8> kNotOnALine{
    "workspace", "plan",   "manifest_json", "status_json", "training_config_yaml",
    "sequence",  "bucket", "name"};

std::string message_name_of(const std::string& token) {
  std::string name;
  bool upper = true;
  for (const char c : token) {
    if (c != '-')
      name += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = c == '-';
  }
  return name;
}

// Every URL may carry a credential in its query, also inside the manifest's text.
void redact(json& value) {
  if (value.is_structured()) {
    for (json& item : value) redact(item);
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text.starts_with("http://") || text.starts_with("https://")) {
      value = redact_url(text);
    } else if (text.starts_with("{")) {
      json inner = json::parse(text, nullptr, false);
      if (inner.is_object()) {
        redact(inner);
        value = inner.dump();
      }
    }
  }
}

json decode_payload(const bus::IncomingEvent& event) {
  const auto* descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
          "tunesmith.events.v1." + message_name_of(event.token));
  if (descriptor == nullptr) return nullptr;
  const std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
  if (!message->ParseFromString(event.payload)) return nullptr;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(*message, &text, options).ok()) return nullptr;
  json data = json::parse(text, nullptr, false);
  redact(data);
  return data;
}

std::string value_text(const json& value) {
  if (value.is_number_float()) return human_number(value.get<double>());
  if (!value.is_string()) return value.dump();
  const auto& text = value.get_ref<const std::string&>();
  return text.find(' ') == std::string::npos && !text.empty() ? text : value.dump();
}

void append_fields(std::string& line, const json& object, const std::string& prefix) {
  for (const auto& [name, value] : object.items()) {
    if (std::find(kNotOnALine.begin(), kNotOnALine.end(), name) != kNotOnALine.end()) continue;
    if (value.is_object()) {
      append_fields(line, value, prefix + name + ".");
    } else if (!value.is_array()) {
      line.append(" ").append(prefix).append(name).append("=").append(value_text(value));
    } else if (!value.empty()) {
      const std::string first = text_at(value[0], "/name");
      line.append(" ").append(prefix).append(name).append("=");
      line += first.empty() ? value_text(value[0]) : first;
      if (value.size() > 1) line += ",…";
    }
  }
}

std::string plan_text(const json& data) {
  const std::string key = text_at(data, "/plan/tuning_key");
  std::string text;
  if (!key.empty()) text += " tuning_key=" + key.substr(0, 12);
  const std::string model = text_at(data, "/plan/tuning/model/repository");
  if (!model.empty()) text += " model=" + model;
  const std::string image = text_at(data, "/plan/output/image");
  if (!image.empty()) text += " output=" + image;
  const std::string folder = text_at(data, "/plan/output/volume_path");
  if (!folder.empty()) text += " output=" + folder;
  return text;
}

}  // namespace

json event_json(const bus::IncomingEvent& event) {
  return {{"id", event.id},
          {"event", event.token},
          {"uid", event.uid},
          {"time", event.time},
          {"sequence", event.stream_sequence},
          {"data", decode_payload(event)}};
}

std::string event_line(const json& event) {
  const json* data = member(event, "/data");
  std::string line = text_at(event, "/time").substr(0, 19) + "Z  " + text_at(event, "/event");
  if (data == nullptr || !data->is_object()) {
    return line + "  " + text_at(event, "/uid") + "  (cannot be decoded)";
  }
  line += "  " + text_at(*data, "/workspace/namespace") + "/" + text_at(*data, "/workspace/name");
  const std::string generation = text_at(*data, "/workspace/generation");  // 64 bits are texts here
  if (!generation.empty()) line += " gen " + generation;
  line += " ";
  line += plan_text(*data);
  append_fields(line, *data, "");
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

bool is_about(const json& event, const std::string& name_space, const std::string& name) {
  const bool same_name = name.empty() || text_at(event, "/data/workspace/name") == name;
  return same_name && text_at(event, "/data/workspace/namespace") == name_space;
}

}  // namespace tunesmith::cli
