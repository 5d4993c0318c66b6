// The admission rules of the member inference.
#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "workspace/rules.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxAdapters = 10;

void check_strength(const json& adapter, const std::string& path, Admission& admission) {
  const json& strength = member_of(adapter, "strength");
  if (strength.is_null()) {
    return;
  }
  double number = -1;
  if (strength.is_string()) {
    const auto& text = strength.get_ref<const std::string&>();
    const char* end = text.data() + text.size();
    if (const auto [stop, error] = std::from_chars(text.data(), end, number);
        error != std::errc() || stop != end) {
      number = -1;
    }
  }
  const bool within = number >= 0 && number <= 1;  // "nan" is not
  if (!within) {
    admission.refuse(Rule::kAdapterStrength,
                     sentence(path + ".strength", "text with a number in 0..1", shown(strength),
                              R"(write it in quotes, e.g. "0.5")"));
  }
}

void check_name(const json& source, const std::string& path, std::set<std::string>& names,
                Admission& admission) {
  const json& name = member_of(source, "name");
  if (!name.is_string() || !is_dns_subdomain(name.get_ref<const std::string&>())) {
    admission.refuse(Rule::kAdapterName,
                     sentence(path + ".source.name", "a DNS-1123 name", shown(name),
                              "use lower-case letters, digits, '-' and '.'"));
  } else if (!names.insert(name.get<std::string>()).second) {
    admission.refuse(Rule::kAdapterUnique,
                     sentence(path + ".source.name", "a name of its own",
                              shown(name) + ", which stands twice", "rename one of them"));
  }
}

void check_origin(const json& source, const std::string& path, const ValidationOptions& options,
                  Admission& admission) {
  const json& image = typed_member(source, path, "image", JsonKind::kText, admission);
  const json& volume = typed_member(source, path, "volumeSource", JsonKind::kMapping, admission);
  if (!member_of(source, "urls").is_null()) {
    admission.refuse(Rule::kAdapterUrls, sentence(path, "image or volumeSource", "urls",
                                                  "adapters are not fetched from URLs"));
  } else if (image.is_null() == volume.is_null()) {
    admission.refuse(Rule::kAdapterSource,
                     sentence(path, "exactly one of image and volumeSource",
                              image.is_null() ? "neither" : "both", "name one"));
  }
  if (image.is_string()) {
    check_image(image.get<std::string>(), path + ".image", Rule::kAdapterImage, admission);
  }
  check_volume(source, path, options, admission);
  check_pull_secrets(source, path, admission);
}

void check_adapter(const json& adapter, const std::string& path, const ValidationOptions& options,
                   std::set<std::string>& names, Admission& admission) {
  const json& source = member_of(adapter, "source");
  warn_of_unknown(adapter, path, {"source", "strength"}, admission);
  if (!source.is_object()) {
    admission.refuse(Rule::kAdapterSource,
                     sentence(path + ".source", "a mapping with name and image", shown(source),
                              "say where the adapter comes from"));
    return;
  }
  warn_of_unknown(source, path + ".source",
                  {"name", "urls", "image", "volumeSource", "imagePullSecrets"}, admission);
  check_name(source, path, names, admission);
  check_origin(source, path + ".source", options, admission);
  check_strength(adapter, path, admission);
}

void check_adapters(const json& inference, const ValidationOptions& options, Admission& admission) {
  const json& adapters =
      typed_member(inference, "inference", "adapters", JsonKind::kList, admission);
  if (adapters.size() > kMaxAdapters) {
    admission.refuse(Rule::kAdapterCount,
                     sentence("inference.adapters", "at most 10", std::to_string(adapters.size()),
                              "serve the others elsewhere"));
    return;
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    check_adapter(adapters[i], fmt::format("inference.adapters[{}]", i), options, names, admission);
  }
}

}  // namespace

void check_inference(const json& object, const ValidationOptions& options, Admission& admission) {
  const json& inference = member_of(object, "inference");
  warn_of_unknown(inference, "inference", {"preset", "template", "config", "adapters"}, admission);
  const json& preset =
      typed_member(inference, "inference", "preset", JsonKind::kMapping, admission);
  const json& pod = typed_member(inference, "inference", "template", JsonKind::kMapping, admission);
  if (preset.is_null() == pod.is_null()) {
    admission.refuse(
        Rule::kInferenceOne,
        sentence("inference", "exactly one of preset and template",
                 preset.is_null() ? "neither" : "both", "name a preset or describe a pod"));
  } else if (!preset.is_null()) {
    check_preset(inference, "inference", options, admission);
  }
  const json& config = typed_member(inference, "inference", "config", JsonKind::kText, admission);
  if (config.is_string() && !is_dns_subdomain(config.get_ref<const std::string&>())) {
    admission.refuse(Rule::kConfigName,
                     sentence("inference.config", "the name of a ConfigMap", shown(config),
                              "use lower-case letters, digits, '-' and '.'"));
  }
  check_adapters(inference, options, admission);
  if (!options.serves_inference) {
    admission.refuse(Rule::kInferenceServed,
                     sentence("inference", "tuning (methods lora and qlora)", "inference",
                              "this version tunes models and does not serve them yet"));
  }
}

}  // namespace tunesmith::workspace
