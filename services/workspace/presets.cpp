#include "workspace/presets.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "workspace/documents.h"
#include "workspace/spelling.h"

namespace tunesmith::workspace {

extern const char* const kEmbeddedPresets;

namespace {

using nlohmann::json;

// Why `org/name` cannot be a repository of the hub; empty when it can (the hub's own rule for
// repository ids).
std::string repository_problem(std::string_view id) {
  const auto slash = id.find('/');
  if (slash == std::string_view::npos || id.find('/', slash + 1) != std::string_view::npos) {
    return "expected exactly one '/'";
  }
  for (const auto part : {id.substr(0, slash), id.substr(slash + 1)}) {
    const bool letters = std::all_of(part.begin(), part.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_' || c == '.';
    });
    if (part.empty() || part.size() > 96 || !letters || part.front() == '.' ||
        part.front() == '-' || part.back() == '.' || part.back() == '-' ||
        part.find("..") != std::string_view::npos || part.find("--") != std::string_view::npos) {
      return "'" + std::string(part.substr(0, 100)) +
             "' is no organisation or model name, expected letters, digits, '-', '_' and '.'";
    }
  }
  return {};
}

Result<Preset> read_preset(const json& entry) {
  Preset preset;
  try {
    for (const auto& [key, value] : entry.items()) {
      if (key == "name") {
        preset.name = value.get<std::string>();
      } else if (key == "aliases") {
        preset.aliases = value.get<std::vector<std::string>>();
      } else if (key == "repository") {
        preset.repository = value.get<std::string>();
      } else if (key == "revision") {
        preset.revision = value.get<std::string>();
      } else if (key == "architecture") {
        preset.architecture = value.get<std::string>();
      } else if (key == "parameters") {
        preset.parameters = value.get<std::uint64_t>();
      } else if (key == "needs_token") {
        preset.needs_token = value.get<bool>();
      } else {
        return permanent("PresetsInvalid", "unknown key '" + key + "' in " + entry.dump());
      }
    }
  } catch (const json::exception&) {
    return permanent("PresetsInvalid", "a value of the wrong type in " + entry.dump());
  }
  const std::string problem = repository_problem(preset.repository);
  if (preset.name.empty() || preset.name != lower(preset.name) || preset.architecture.empty() ||
      preset.parameters == 0 || preset.revision.empty() || !problem.empty()) {
    return permanent("PresetsInvalid",
                     "expected a lower-case name, repository org/name, architecture and "
                     "parameters in " +
                         entry.dump());
  }
  return preset;
}

std::vector<std::string> names_of(const PresetCatalogue& catalogue) {
  std::vector<std::string> names;
  for (const auto& preset : catalogue.all()) {
    names.push_back(preset.name);
    names.insert(names.end(), preset.aliases.begin(), preset.aliases.end());
  }
  return names;
}

}  // namespace

Result<PresetCatalogue> PresetCatalogue::parse(std::string_view yaml) {
  const auto value = parse_value(yaml);
  if (!value) {
    return permanent("PresetsInvalid", value.error().message);
  }
  if (!value->is_object() || value->size() != 1 || !value->contains("presets") ||
      !(*value)["presets"].is_array()) {
    return permanent("PresetsInvalid", "expected one key 'presets' with a list");
  }
  PresetCatalogue catalogue;
  for (const auto& entry : (*value)["presets"]) {
    auto preset = read_preset(entry);
    if (!preset) {
      return tl::unexpected(preset.error());
    }
    std::vector<std::string> names = preset->aliases;
    names.push_back(preset->name);
    names.push_back(preset->repository);
    for (const auto& name : names) {
      if (!catalogue.index_.emplace(lower(name), catalogue.presets_.size()).second) {
        return permanent("PresetsInvalid", "the name '" + name + "' stands twice");
      }
    }
    catalogue.presets_.push_back(std::move(*preset));
  }
  return catalogue;
}

const Preset* PresetCatalogue::find(std::string_view name) const {
  const auto found = index_.find(lower(name));
  return found == index_.end() ? nullptr : &presets_[found->second];
}

std::optional<std::string> PresetCatalogue::nearest(std::string_view name) const {
  return workspace::nearest(name, names_of(*this));
}

const PresetCatalogue& built_in_presets() {
  static const PresetCatalogue catalogue = [] {
    auto parsed = PresetCatalogue::parse(kEmbeddedPresets);
    if (!parsed) {
      throw std::logic_error("the embedded preset catalogue: " + parsed.error().message);
    }
    return std::move(*parsed);
  }();
  return catalogue;
}

Result<ModelChoice> choose_model(std::string_view name, const PresetCatalogue& catalogue) {
  if (const Preset* preset = catalogue.find(name)) {
    return ModelChoice{preset->name, preset->repository, preset->revision, preset->parameters,
                       preset->needs_token};
  }
  const std::string shown(name.substr(0, 100));
  if (name.find('/') == std::string_view::npos) {
    const std::string meant = suggestion(name, names_of(catalogue));
    return permanent("UnknownPreset", "the preset '" + shown + "' is not known" +
                                          (meant.empty() ? ": expected" : meant + " Expected") +
                                          " a preset of the catalogue or a model hub repository "
                                          "'org/name'");
  }
  if (const std::string problem = repository_problem(name); !problem.empty()) {
    return permanent("UnknownPreset",
                     "'" + shown + "' is no model hub repository 'org/name': " + problem);
  }
  return ModelChoice{"", std::string(name), "main", 0, false};
}

}  // namespace tunesmith::workspace
