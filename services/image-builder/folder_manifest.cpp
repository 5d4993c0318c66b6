#include "image-builder/folder_manifest.h"

#include <nlohmann/json.hpp>

#include "runtime/http_client.h"

namespace tunesmith::image_builder {

namespace {

using Json = nlohmann::ordered_json;
namespace v1 = events::v1;

std::string method_of(const v1::TuningPlan& tuning) {
  return tuning.method() == v1::TUNING_METHOD_LORA ? "lora" : "qlora";
}

Json data_of(const v1::TrainingData& data) {
  Json list = Json::array();
  for (const auto& file : data.files()) {
    Json entry = {{"url", redact_url(file.url())}};
    if (!file.sha256().empty()) entry["sha256"] = file.sha256();
    if (!file.etag().empty()) entry["etag"] = file.etag();
    list.push_back(std::move(entry));
  }
  if (data.has_image()) {
    list.push_back({{"image", data.image().image()}, {"digest", data.image().digest()}});
  }
  for (const auto& file : data.volume().files()) {
    list.push_back({{"path", file.path()}, {"sha256", file.sha256()}});
  }
  return list;
}

std::string text(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::string folder_manifest(const v1::Plan& plan, const std::vector<FolderFile>& files) {
  const auto& model = plan.tuning().model();
  Json list = Json::array();
  for (const auto& file : files) {
    list.push_back({{"name", file.name}, {"sizeBytes", file.size_bytes}, {"sha256", file.sha256}});
  }
  const Json manifest = {{"tuningKey", plan.tuning_key()},
                         {"numericsVersion", plan.tuning().numerics_version()},
                         {"method", method_of(plan.tuning())},
                         {"baseModel",
                          {{"preset", model.preset()},
                           {"repository", model.repository()},
                           {"revision", model.revision()}}},
                         {"data", data_of(plan.tuning().data())},
                         {"files", std::move(list)}};
  return manifest.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

FolderContent read_folder_manifest(std::string_view json) {
  const Json document = Json::parse(json, nullptr, false);
  if (!document.is_object()) return {};
  FolderContent content{text(document, "tuningKey"), {}};
  const auto files = document.find("files");
  if (files == document.end() || !files->is_array()) return content;
  for (const auto& entry : *files) {
    if (!entry.is_object()) continue;
    const auto size = entry.find("sizeBytes");
    const bool sized = size != entry.end() && size->is_number_unsigned();
    content.files.push_back(
        {text(entry, "name"), sized ? size->get<std::uint64_t>() : 0, text(entry, "sha256")});
  }
  return content;
}

std::string folder_readme(const v1::Plan& plan) {
  const auto& model = plan.tuning().model();
  return "# LoRA adapter of " + model.repository() + "\n\nTrained by tunesmith (" +
         method_of(plan.tuning()) + ") on revision " + model.revision() +
         " of the base model.\nTuning key: " + plan.tuning_key() +
         "\n\n`adapter_config.json` and `adapter_model.safetensors` are in peft's format; "
         "`tunesmith.json` names the data and the digests of the files.\n";
}

}  // namespace tunesmith::image_builder
