// The admission rules of the member tuning, and of presets.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "runtime/http_client.h"
#include "workspace/image_reference.h"
#include "workspace/rules.h"
#include "workspace/spelling.h"
#include "workspace/url_guard.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxUrls = 100;

void check_access(const json& preset, const std::string& path, Admission& admission) {
  const json& mode = member_of(preset, "accessMode");
  if (!mode.is_null() && mode != "public" && mode != "private") {
    admission.refuse(Rule::kAccessMode, sentence(path + ".accessMode", "public or private",
                                                 shown(mode), "leave it out for public"));
  }
  if (mode != "private") {
    return;
  }
  const json& options = member_of(preset, "presetOptions");
  if (path.starts_with("tuning") && member_of(options, "modelAccessSecret").is_null()) {
    admission.refuse(
        Rule::kAccessModePrivate,
        sentence(path + ".presetOptions.modelAccessSecret", "the name of a Secret with private",
                 "none",
                 "private model images are not supported: name the model's repository on the hub "
                 "as 'org/name' and the Secret whose key HF_TOKEN opens it"));
  } else if (!path.starts_with("tuning") && member_of(options, "image").is_null()) {
    admission.refuse(Rule::kAccessModePrivate,
                     sentence(path + ".presetOptions.image", "the model's image", "none",
                              "accessMode private means that the model comes from it"));
  }
}

void check_preset_options(const json& preset, const std::string& path, Admission& admission) {
  const json& options = typed_member(preset, path, "presetOptions", JsonKind::kMapping, admission);
  const std::string where = path + ".presetOptions";
  warn_of_unknown(options, where, {"image", "imagePullSecrets", "modelAccessSecret"}, admission);
  const json& image = typed_member(options, where, "image", JsonKind::kText, admission);
  if (image.is_string()) {
    check_image(image.get<std::string>(), where + ".image", Rule::kPresetImage, admission);
  }
  for (const char* name : {"image", "imagePullSecrets"}) {
    if (!member_of(options, name).is_null() && member_of(preset, "accessMode") != "private") {
      admission.warnings.push_back(
          fmt::format("{}.{} has no effect: the model comes from the hub", where, name));
    }
  }
  const json& secret =
      typed_member(options, where, "modelAccessSecret", JsonKind::kText, admission);
  if (secret.is_string() && !is_dns_subdomain(secret.get_ref<const std::string&>())) {
    admission.refuse(Rule::kModelAccessSecret,
                     sentence(where + ".modelAccessSecret", "the name of a Secret", shown(secret),
                              "name the Secret that holds the key HF_TOKEN"));
  }
  check_pull_secrets(options, where, admission);
}

void check_method(const json& tuning, const Tuning& read, Admission& admission) {
  if (read.method == events::v1::TUNING_METHOD_UNSPECIFIED) {
    admission.refuse(Rule::kMethod,
                     sentence("tuning.method", "lora or qlora", shown(member_of(tuning, "method")),
                              "qlora needs the least memory"));
  }
}

// Two spellings of one URL are one; what cannot be parsed stands for itself.
std::string canonical(const std::string& url) {
  const auto parsed = parse_url(url);
  return !parsed ? url
                 : fmt::format("{}://{}:{}{}?{}", parsed->scheme, parsed->host, parsed->port,
                               parsed->path, parsed->query);
}

void check_urls(const std::vector<std::string>& urls, const ValidationOptions& options,
                Admission& admission) {
  if (urls.size() > kMaxUrls) {
    admission.refuse(Rule::kInputUrlCount, sentence("tuning.input.urls", "at most 100 URLs",
                                                    std::to_string(urls.size()), "join the files"));
    return;
  }
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < urls.size(); ++i) {
    const std::string where = fmt::format("tuning.input.urls[{}]: ", i);
    const bool file = is_file_url(urls[i]);
    const auto problem = file ? file_url_problem(urls[i], options.allowed_data_paths)
                              : url_problem(urls[i], options.allowed_data_hosts);
    if (problem) {
      admission.refuse(file ? Rule::kInputFile : Rule::kInputUrl, where + *problem);
    }
    if (const auto [first, fresh] = seen.emplace(canonical(urls[i]), i); !fresh) {
      admission.refuse(Rule::kInputUrlUnique,
                       fmt::format("{}expected each file once, found that of tuning.input.urls[{}] "
                                   "again; leave it out",
                                   where, first->second));
    }
  }
}

void check_input(const json& tuning, const DataSource& read, const ValidationOptions& options,
                 Admission& admission) {
  const json& input = member_of(tuning, "input");
  warn_of_unknown(input, "tuning.input",
                  {"name", "urls", "image", "volumeSource", "imagePullSecrets"}, admission);
  const int given =
      (read.urls.empty() ? 0 : 1) + (read.image.empty() ? 0 : 1) + (read.volume ? 1 : 0);
  if (given != 1) {
    admission.refuse(
        Rule::kInputOne,
        sentence("tuning.input", "exactly one of urls, image and volumeSource",
                 given == 0 ? "none" : "more than one", "say where the training data is"));
  }
  check_urls(read.urls, options, admission);
  if (!read.image.empty()) {
    check_image(read.image, "tuning.input.image", Rule::kInputImage, admission);
  }
  check_volume(input, "tuning.input", options, admission);
  check_pull_secrets(input, "tuning.input", admission);
  if (read.image.empty() && !member_of(input, "imagePullSecrets").is_null()) {
    admission.warnings.emplace_back(
        "tuning.input.imagePullSecrets has no effect: the data comes from no image");
  }
}

void check_push_secret(const std::string& name, Admission& admission) {
  if (name.empty()) {
    admission.refuse(Rule::kPushSecretPresent,
                     sentence("tuning.output.imagePushSecret", "the name of a Secret", "none",
                              "name one that may push to tuning.output.image"));
  } else if (!is_dns_subdomain(name)) {
    admission.refuse(
        Rule::kPushSecretName,
        sentence("tuning.output.imagePushSecret", "the name of a Secret", in_quotes(name),
                 "use lower-case letters, digits, '-' and '.'; replace placeholders "
                 "by your own names"));
  }
}

void check_output(const json& tuning, const DataDestination& read, const ValidationOptions& options,
                  Admission& admission) {
  const json& output = member_of(tuning, "output");
  warn_of_unknown(output, "tuning.output", {"image", "imagePushSecret", "volumeSource"}, admission);
  if (read.image.empty() == !read.volume) {
    admission.refuse(Rule::kOutputOne,
                     sentence("tuning.output", "exactly one of image and volumeSource",
                              read.volume ? "both" : "neither", "say where the adapter goes"));
  }
  check_volume(output, "tuning.output", options, admission);
  if (read.image.empty()) {
    if (!read.image_push_secret.empty()) {
      admission.warnings.emplace_back(
          "tuning.output.imagePushSecret has no effect: no image is pushed");
    }
    return;
  }
  check_image(read.image, "tuning.output.image", Rule::kOutputImage, admission);
  if (const auto image = parse_image_reference(read.image); image && !image->digest.empty()) {
    admission.refuse(Rule::kOutputTag, sentence("tuning.output.image", "a tag", "a digest",
                                                "a digest is known only after the push"));
  }
  check_push_secret(read.image_push_secret, admission);
}

}  // namespace

void check_preset(const json& holder, const std::string& goal, const ValidationOptions& options,
                  Admission& admission) {
  const std::string path = goal + ".preset";
  const json& preset = member_of(holder, "preset");
  warn_of_unknown(preset, path, {"name", "accessMode", "presetOptions"}, admission);
  const json& name = member_of(preset, "name");
  const auto& catalogue = options.presets != nullptr ? *options.presets : built_in_presets();
  if (!name.is_string() || name.get_ref<const std::string&>().empty()) {
    admission.refuse(Rule::kPresetPresent,
                     sentence(path + ".name", "the name of a model", shown(name),
                              "name one, e.g. phi-4-mini-instruct"));
  } else if (const auto model = choose_model(name.get<std::string>(), catalogue); !model) {
    admission.refuse(Rule::kPresetKnown, path + ".name: " + model.error().message);
  }
  check_access(preset, path, admission);
  check_preset_options(preset, path, admission);
}

void check_tuning(const json& object, const Tuning& read, const ValidationOptions& options,
                  Admission& admission) {
  const json& tuning = member_of(object, "tuning");
  warn_of_unknown(tuning, "tuning", {"preset", "method", "config", "input", "output"}, admission);
  check_preset(tuning, "tuning", options, admission);
  check_method(tuning, read, admission);
  if (!read.config.empty() && !is_dns_subdomain(read.config)) {
    admission.refuse(Rule::kConfigName,
                     sentence("tuning.config", "the name of a ConfigMap", in_quotes(read.config),
                              "use lower-case letters, digits, '-' and '.'"));
  }
  check_input(tuning, read.input, options, admission);
  check_output(tuning, read.output, options, admission);
}

}  // namespace tunesmith::workspace
