#include "workspace/training_values.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "workspace/spelling.h"

namespace tunesmith::workspace {
namespace {

using events::v1::HyperParameters;
using nlohmann::json;

std::string plain(double value) {
  json number = value;
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    number = static_cast<std::int64_t>(value);
  }
  return number.dump();
}

// Numbers may be quoted, and 5e-5 without a dot is text to YAML 1.1: transformers reads both.
std::optional<double> number_of(const json& value) {
  if (value.is_number()) {
    return value.get<double>();
  }
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size() && std::isfinite(number)) {
      return number;
    }
  }
  return std::nullopt;
}

std::optional<bool> flag_of(const json& value) {
  if (value.is_boolean()) {
    return value.get<bool>();
  }
  const std::string word = value.is_string() ? lower(value.get<std::string>()) : "";
  if (word == "true" || word == "yes" || word == "on") {
    return true;
  }
  if (word == "false" || word == "no" || word == "off") {
    return false;
  }
  return std::nullopt;
}

}  // namespace

ApplyValue real(void (HyperParameters::*set)(double), double least, double most) {
  return [=](const json& value, TrainingDraft& draft) -> std::string {
    const auto number = number_of(value);
    if (!number || *number < least || *number > most) {
      return "expected a number in " + plain(least) + ".." + plain(most);
    }
    (draft.hyper_parameters.*set)(*number);
    return {};
  };
}

ApplyValue positive(void (HyperParameters::*set)(double), double most) {
  return [=](const json& value, TrainingDraft& draft) -> std::string {
    const auto number = number_of(value);
    if (!number || *number <= 0 || *number > most) {
      return "expected a number above 0, at most " + plain(most);
    }
    (draft.hyper_parameters.*set)(*number);
    return {};
  };
}

std::string read_whole(const json& value, double least, double most,
                       const std::function<void(std::uint64_t)>& set) {
  const auto number = number_of(value);
  if (!number || *number != std::floor(*number) || *number < least || *number > most) {
    return "expected a whole number in " + plain(least) + ".." + plain(most);
  }
  set(static_cast<std::uint64_t>(*number));
  return {};
}

std::string read_flag(const json& value, const std::function<void(bool)>& set) {
  const auto flag = flag_of(value);
  if (!flag) {
    return "expected true or false";
  }
  set(*flag);
  return {};
}

ApplyValue flag(void (HyperParameters::*set)(bool)) {
  return [=](const json& value, TrainingDraft& draft) {
    return read_flag(value, [&](bool on) { (draft.hyper_parameters.*set)(on); });
  };
}

ApplyValue only(std::vector<json> accepted) {
  return [accepted = std::move(accepted)](const json& value, TrainingDraft&) -> std::string {
    const bool empty = value.is_structured() && value.empty();
    const auto same = [&](const json& item) {
      return item == value || (item.is_boolean() && flag_of(value) == item.get<bool>()) ||
             (item.is_number() && number_of(value) == item.get<double>());
    };
    if (empty || std::any_of(accepted.begin(), accepted.end(), same)) {
      return {};
    }
    std::string list;
    for (const auto& item : accepted) {
      list += (list.empty() ? "" : " or ") + item.dump();
    }
    return accepted.empty() ? "not supported, leave it out" : "only " + list + " is supported";
  };
}

std::string output_dir(const json& value, TrainingDraft&) {
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    if (part == "..") {
      if (!parts.empty()) {
        parts.pop_back();
      }
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    begin = end + 1;
  }
  if (!text.starts_with('/') || parts.empty() || parts.front() != "mnt") {
    return "expected a folder under /mnt, e.g. /mnt/results";
  }
  return {};
}

std::string target_modules(const json& value, TrainingDraft& draft) {
  auto& modules = *draft.hyper_parameters.mutable_target_modules();
  modules.Clear();
  if (value == "all-linear") {
    return {};
  }
  for (const auto& item : value.is_array() ? value : json::array({value})) {
    const std::string name = item.is_string() ? item.get<std::string>() : "";
    const bool valid =
        !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        });
    if (!valid) {
      return "expected a list of module names such as q_proj, or all-linear";
    }
    if (std::find(modules.begin(), modules.end(), name) == modules.end()) {
      *modules.Add() = name;
    }
  }
  return {};
}

std::string lr_scheduler_type(const json& value, TrainingDraft& draft) {
  static const std::vector<std::string> kKnown{"linear", "cosine", "constant",
                                               "constant_with_warmup"};
  const std::string name = value.is_string() ? lower(value.get<std::string>()) : "";
  if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
    return "expected linear, cosine, constant or constant_with_warmup";
  }
  draft.hyper_parameters.set_lr_scheduler_type(name);
  return {};
}

std::string optim(const json& value, TrainingDraft& draft) {
  const std::string name = value.is_string() ? lower(value.get<std::string>()) : "";
  if (name.find("adamw") == std::string::npos) {
    return "expected adamw_torch (AdamW is the optimizer that exists)";
  }
  if (name != "adamw_torch" && name != "adamw_torch_fused" && name != "adamw_hf") {
    draft.notes.push_back("TrainingArguments.optim: " + name + " is run as adamw_torch (32 bit)");
  }
  return {};
}

std::string eval_strategy(const json& value, TrainingDraft& draft) {
  if (value == false) {  // an unquoted `no` in YAML 1.1
    return {};
  }
  const std::string name = value.is_string() ? value.get<std::string>() : "";
  if (name != "no" && name != "steps" && name != "epoch") {
    return R"(expected "no", "steps" or "epoch")";
  }
  draft.eval_strategy = name;
  return {};
}

std::string max_steps(const json& value, TrainingDraft& draft) {
  if (number_of(value) == -1.0) {  // Hugging Face's word for "by epochs"
    draft.hyper_parameters.set_max_steps(0);
    return {};
  }
  return whole(&HyperParameters::set_max_steps, 0, 1e9)(value, draft);
}

std::string revision(const json& value, TrainingDraft& draft) {
  const std::string name = value.is_string() ? value.get<std::string>() : "";
  const bool valid = !name.empty() && name.size() <= 100 && name.find("..") == std::string::npos &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
                     });
  if (!valid) {
    return "expected a branch, tag or commit (quote numbers)";
  }
  draft.model_revision = name;
  return {};
}

}  // namespace tunesmith::workspace
