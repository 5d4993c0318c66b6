// The admission rules of the member metadata: names and our own annotations.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "workspace/rules.h"
#include "workspace/spelling.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

constexpr const char* kSuspend = "tunesmith.dev/suspend";
constexpr const char* kRetry = "tunesmith.dev/retry";
constexpr const char* kDataSecret = "tunesmith.dev/data-secret";
constexpr const char* kReplaceTag = "tunesmith.dev/replace-tag";

void check_name(const char* path, const std::string& name, Rule rule, Admission& admission) {
  if (!is_dns_label(name)) {
    admission.refuse(
        rule, sentence(path, "a DNS-1123 label", in_quotes(name),
                       "use lower-case letters, digits and '-', at most 63, no '-' at the ends"));
  }
}

std::string where(const std::string& annotation) {
  return fmt::format("metadata.annotations[{}]", annotation);
}

void check_annotation(const std::string& name, const std::string& value, Admission& admission) {
  static const std::vector<std::string> kKnown{kSuspend, kRetry, kDataSecret, kReplaceTag};
  if ((name == kSuspend || name == kReplaceTag) && value != "true" && value != "false") {
    admission.refuse(Rule::kAnnotationFlag,
                     sentence(where(name), R"("true" or "false")", in_quotes(value),
                              "write one of these words in lower case and in quotes"));
  } else if (name == kRetry && value.find_first_not_of(' ') == std::string::npos) {
    admission.refuse(Rule::kAnnotationRetry,
                     sentence(where(name), "a value that it did not have before", in_quotes(value),
                              "write for example the time"));
  } else if (name == kDataSecret && !is_dns_subdomain(value)) {
    admission.refuse(Rule::kAnnotationDataSecret,
                     sentence(where(name), "the name of a Secret", in_quotes(value),
                              "use lower-case letters, digits, '-' and '.'"));
  } else if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
    admission.warnings.push_back(fmt::format("the annotation {} is not known and has no effect{}",
                                             name, suggestion(name, kKnown)));
  }
}

}  // namespace

void check_metadata(const json& object, const Metadata& metadata, Admission& admission) {
  check_name("metadata.name", metadata.name, Rule::kMetadataName, admission);
  check_name("metadata.namespace", metadata.name_space, Rule::kMetadataNamespace, admission);
  for (const auto& [name, value] : metadata.annotations) {
    if (name.starts_with(kAnnotationPrefix)) {
      check_annotation(name, value, admission);
    } else if (name.starts_with("kaito.sh/")) {
      admission.warnings.push_back("the annotation " + name + " has no effect in this version");
    }
  }
  const json& urls = member_of(member_of(member_of(object, "tuning"), "input"), "urls");
  if (metadata.annotations.contains(kDataSecret) && (!urls.is_array() || urls.empty())) {
    admission.warnings.push_back(fmt::format(
        "the annotation {} has no effect: it authorises tuning.input.urls, and there are none",
        kDataSecret));
  }
}

}  // namespace tunesmith::workspace
