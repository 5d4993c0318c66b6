// The catalogue of models that can be named by a short word: presets.yaml, embedded at build.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::workspace {

struct Preset {
  std::string name;                  // canonical, lower case
  std::vector<std::string> aliases;  // accepted in any letter case
  std::string repository;            // `org/name` on the model hub
  std::string revision = "main";     // branch, tag or commit
  std::string architecture;          // `model_type` of its config.json
  std::uint64_t parameters = 0;
  bool needs_token = false;  // the hub gives it only to users who accepted a licence
};

// Immutable after parse.
class PresetCatalogue {
 public:
  // Permanent `PresetsInvalid` naming the entry and what is wrong with it.
  static Result<PresetCatalogue> parse(std::string_view yaml);

  // By name, alias or repository, in any letter case.
  const Preset* find(std::string_view name) const;
  const std::vector<Preset>& all() const { return presets_; }
  // The known name with the smallest edit distance, if it is near enough to be meant.
  std::optional<std::string> nearest(std::string_view name) const;

 private:
  std::vector<Preset> presets_;
  std::map<std::string, std::size_t> index_;  // lower-case name → place in presets_
};

const PresetCatalogue& built_in_presets();

// A preset of the catalogue, or any `org/name` (then preset is empty and architecture and
// parameters are unknown until the hub is asked).
struct ModelChoice {
  std::string preset;
  std::string repository;
  std::string revision = "main";
  std::uint64_t parameters = 0;
  bool needs_token = false;
};

// Permanent `UnknownPreset` with the nearest known name, or saying what is wrong with an
// `org/name`.
Result<ModelChoice> choose_model(std::string_view name, const PresetCatalogue& catalogue);

}  // namespace tunesmith::workspace
