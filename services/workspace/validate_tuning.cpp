// The admission rules of the members tuning and inference.
#include <nlohmann/json.hpp>
#include <set>

#include "workspace/image_reference.h"
#include "workspace/rules.h"
#include "workspace/spelling.h"
#include "workspace/url_guard.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxUrls = 100;
constexpr std::size_t kMaxAdapters = 10;

void check_volume(const json& source, const std::string& path, Admission& admission) {
  const json& volume = member_of(source, "volumeSource");
  if (!volume.is_null() && (!volume.is_object() || volume.size() != 1)) {
    admission.violations.push_back(path + ".volumeSource: expected exactly one kind of volume, " +
                                   "found " + std::to_string(volume.size()));
  }
}

void check_preset(const json& holder, const std::string& path, const ValidationOptions& options,
                  Admission& admission) {
  const json& preset = member_of(holder, "preset");
  const json& name = member_of(preset, "name");
  if (!name.is_string() || name.get_ref<const std::string&>().empty()) {
    admission.violations.push_back(path + ".preset.name: expected the name of a model, e.g. " +
                                   "phi-4-mini-instruct, found none");
    return;
  }
  const auto& catalogue = options.presets != nullptr ? *options.presets : built_in_presets();
  if (const auto model = choose_model(name.get<std::string>(), catalogue); !model) {
    admission.violations.push_back(path + ".preset.name: " + model.error().message);
  }
  const json& mode = member_of(preset, "accessMode");
  if (!mode.is_null() && mode != "public" && mode != "private") {
    admission.violations.push_back(path + ".preset.accessMode: expected public or private, found " +
                                   mode.dump());
  } else if (mode == "private") {
    admission.violations.push_back(
        path + ".preset.accessMode: private model images are not supported, name the model's " +
        "repository on the hub as 'org/name' and leave accessMode out");
  }
}

void check_method(const json& tuning, const Tuning& read, Admission& admission) {
  if (read.method == events::v1::TUNING_METHOD_UNSPECIFIED) {
    const json& method = member_of(tuning, "method");
    admission.violations.push_back(
        "tuning.method: expected lora or qlora, found " +
        (method.is_string() ? in_quotes(method.get<std::string>()) : std::string("none")));
  }
}

void check_source(const json& source, const DataSource& read, const std::string& path,
                  const ValidationOptions& options, Admission& admission) {
  const int given =
      (read.urls.empty() ? 0 : 1) + (read.image.empty() ? 0 : 1) + (read.volume ? 1 : 0);
  if (given != 1) {
    admission.violations.push_back(path +
                                   ": expected exactly one of urls, image and volumeSource, "
                                   "found " +
                                   (given == 0 ? "none" : "more than one"));
  }
  if (read.urls.size() > kMaxUrls) {
    admission.violations.push_back(path + ".urls: expected at most 100 URLs, found " +
                                   std::to_string(read.urls.size()));
    return;
  }
  for (std::size_t i = 0; i < read.urls.size(); ++i) {
    if (const auto problem = url_problem(read.urls[i], options.allowed_data_hosts)) {
      admission.violations.push_back(path + ".urls[" + std::to_string(i) + "]: " + *problem);
    }
  }
  if (!read.image.empty()) {
    if (const auto image = parse_image_reference(read.image); !image) {
      admission.violations.push_back(path + ".image: " + image.error().message);
    }
  }
  check_volume(source, path, admission);
}

void check_push_secret(const std::string& name, Admission& admission) {
  if (name.empty()) {
    admission.violations.emplace_back(
        "tuning.output.imagePushSecret: expected the name of a Secret that may push to "
        "tuning.output.image, found none");
  } else if (!is_dns_subdomain(name)) {
    admission.violations.push_back(
        "tuning.output.imagePushSecret: expected the name of a Secret (lower-case letters, digits, "
        "'-' and '.'), found " +
        in_quotes(name) + "; replace placeholders by your own names");
  }
}

void check_output(const json& tuning, const DataDestination& read, Admission& admission) {
  const json& output = member_of(tuning, "output");
  warn_of_unknown(output, "tuning.output", {"image", "imagePushSecret", "volumeSource"}, admission);
  if (read.image.empty() == !read.volume) {
    admission.violations.push_back(
        std::string("tuning.output: expected exactly one of image and volumeSource, found ") +
        (read.volume ? "both" : "neither"));
  }
  check_volume(output, "tuning.output", admission);
  if (read.image.empty()) {
    return;
  }
  const auto image = parse_image_reference(read.image);
  if (!image) {
    admission.violations.push_back("tuning.output.image: " + image.error().message);
  } else if (!image->digest.empty()) {
    admission.violations.emplace_back(
        "tuning.output.image: expected a tag, found a digest, which is known only after the push");
  }
  check_push_secret(read.image_push_secret, admission);
}

void check_strength(const json& adapter, const std::string& path, Admission& admission) {
  const json& strength = member_of(adapter, "strength");
  if (strength.is_null()) {
    return;
  }
  const json number =
      strength.is_string() ? json::parse(strength.get<std::string>(), nullptr, false) : json();
  if (!number.is_number() || number.get<double>() < 0 || number.get<double>() > 1) {
    admission.violations.push_back(path + ".strength: expected text with a number in 0..1, found " +
                                   in_quotes(strength.dump()));
  }
}

void check_adapter(const json& adapter, const std::string& path, std::set<std::string>& names,
                   Admission& admission) {
  const json& source = member_of(adapter, "source");
  const json& name = member_of(source, "name");
  if (!source.is_object()) {
    admission.violations.push_back(path + ".source: expected a mapping, found none");
    return;
  }
  if (!name.is_string() || !is_dns_subdomain(name.get<std::string>())) {
    admission.violations.push_back(path + ".source.name: expected a DNS-1123 name");
  } else if (!names.insert(name.get<std::string>()).second) {
    admission.violations.push_back(path + ".source.name: " + in_quotes(name.get<std::string>()) +
                                   " stands twice");
  }
  if (!member_of(source, "urls").is_null()) {
    admission.violations.push_back(path +
                                   ".source: adapters come from an image or a volume, not "
                                   "from urls");
  } else if (member_of(source, "image").is_null() == member_of(source, "volumeSource").is_null()) {
    admission.violations.push_back(path +
                                   ".source: expected exactly one of image and volumeSource");
  }
  check_strength(adapter, path, admission);
}

}  // namespace

void check_tuning(const json& object, const Tuning& read, const ValidationOptions& options,
                  Admission& admission) {
  const json& tuning = member_of(object, "tuning");
  warn_of_unknown(tuning, "tuning", {"preset", "method", "config", "input", "output"}, admission);
  warn_of_unknown(member_of(tuning, "input"), "tuning.input",
                  {"name", "urls", "image", "volumeSource", "imagePullSecrets"}, admission);
  check_preset(tuning, "tuning", options, admission);
  check_method(tuning, read, admission);
  if (!read.config.empty() && !is_dns_subdomain(read.config)) {
    admission.violations.push_back("tuning.config: expected the name of a ConfigMap, found " +
                                   in_quotes(read.config));
  }
  check_source(member_of(tuning, "input"), read.input, "tuning.input", options, admission);
  check_output(tuning, read.output, admission);
}

void check_inference(const json& object, const ValidationOptions& options, Admission& admission) {
  const json& inference = member_of(object, "inference");
  warn_of_unknown(inference, "inference", {"preset", "template", "config", "adapters"}, admission);
  const bool preset = !member_of(inference, "preset").is_null();
  const bool pod = !member_of(inference, "template").is_null();
  if (preset == pod) {
    admission.violations.push_back(
        std::string("inference: expected exactly one of preset and template, found ") +
        (preset ? "both" : "neither"));
  } else if (preset) {
    check_preset(inference, "inference", options, admission);
  }
  const json& adapters = member_of(inference, "adapters");
  if (!adapters.is_null() && !adapters.is_array()) {
    admission.violations.emplace_back("inference.adapters: expected a list");
    return;
  }
  if (adapters.size() > kMaxAdapters) {
    admission.violations.push_back("inference.adapters: expected at most 10, found " +
                                   std::to_string(adapters.size()));
    return;
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    check_adapter(adapters[i], "inference.adapters[" + std::to_string(i) + "]", names, admission);
  }
}

}  // namespace tunesmith::workspace
