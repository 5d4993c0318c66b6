#include "file_host/fault.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace tunesmith::testing {
namespace {

// Later rules win where they say something.
void merge(Fault& into, const Fault& rule) {
  if (rule.status != 0) into.status = rule.status;
  if (!rule.retry_after.empty()) into.retry_after = rule.retry_after;
  if (!rule.redirect.empty()) into.redirect = rule.redirect;
  if (!rule.bearer_token.empty()) into.bearer_token = rule.bearer_token;
  if (!rule.basic_auth.empty()) into.basic_auth = rule.basic_auth;
  if (!rule.etag.empty()) into.etag = rule.etag;
  if (rule.ignore_range) into.ignore_range = true;
  if (rule.range_from) into.range_from = rule.range_from;
  if (rule.cut_after) into.cut_after = rule.cut_after;
  if (rule.stall_after) into.stall_after = rule.stall_after;
  if (rule.corrupt_at) into.corrupt_at = rule.corrupt_at;
  if (rule.bytes_per_second != 0) into.bytes_per_second = rule.bytes_per_second;
}

void read_field(Fault& fault, const std::string& name, const nlohmann::json& value) {
  if (name == "path") {
    fault.path = value.get<std::string>();
  } else if (name == "times") {
    fault.times = value.get<int>();
  } else if (name == "status") {
    fault.status = value.get<int>();
  } else if (name == "retry_after") {
    fault.retry_after = value.get<std::string>();
  } else if (name == "redirect") {
    fault.redirect = value.get<std::string>();
  } else if (name == "bearer_token") {
    fault.bearer_token = value.get<std::string>();
  } else if (name == "basic_auth") {
    fault.basic_auth = value.get<std::string>();
  } else if (name == "etag") {
    fault.etag = value.get<std::string>();
  } else if (name == "ignore_range") {
    fault.ignore_range = value.get<bool>();
  } else if (name == "range_from") {
    fault.range_from = value.get<std::uint64_t>();
  } else if (name == "cut_after") {
    fault.cut_after = value.get<std::uint64_t>();
  } else if (name == "stall_after") {
    fault.stall_after = value.get<std::uint64_t>();
  } else if (name == "corrupt_at") {
    fault.corrupt_at = value.get<std::uint64_t>();
  } else if (name == "bytes_per_second") {
    fault.bytes_per_second = value.get<std::uint64_t>();
  } else {
    throw std::invalid_argument("unknown key");
  }
}

bool matches(const std::string& pattern, const std::string& path) {
  return pattern.ends_with('*') ? path.starts_with(pattern.substr(0, pattern.size() - 1))
                                : pattern == path;
}

}  // namespace

tl::expected<Fault, std::string> parse_fault(const nlohmann::json& value) {
  if (!value.is_object())
    return tl::unexpected(fmt::format("a fault is a JSON object, found {}", value.dump()));
  Fault fault;
  for (const auto& [name, field] : value.items()) {
    try {
      read_field(fault, name, field);
    } catch (const std::exception& e) {
      return tl::unexpected(fmt::format("fault key '{}': {}", name, e.what()));
    }
  }
  if (fault.path.empty())
    return tl::unexpected(fmt::format("a fault needs a path, found {}", value.dump()));
  return fault;
}

tl::expected<std::vector<Fault>, std::string> parse_faults(const std::string& json_array) {
  const auto parsed = nlohmann::json::parse(json_array, nullptr, false);
  if (!parsed.is_array()) return tl::unexpected(std::string("expected a JSON array of faults"));
  std::vector<Fault> faults;
  for (const auto& value : parsed) {
    auto fault = parse_fault(value);
    if (!fault) return tl::unexpected(fault.error());
    faults.push_back(std::move(*fault));
  }
  return faults;
}

void FaultTable::replace(std::vector<Fault> faults) {
  const std::lock_guard lock(mutex_);
  faults_ = std::move(faults);
}

Fault FaultTable::take(const std::string& path) {
  const std::lock_guard lock(mutex_);
  Fault result;
  for (Fault& rule : faults_) {
    if (!matches(rule.path, path)) continue;
    if (rule.times) {
      if (*rule.times <= 0) continue;
      --*rule.times;
    }
    merge(result, rule);
  }
  return result;
}

}  // namespace tunesmith::testing
