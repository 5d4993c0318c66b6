#include "formats/model_files.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "formats/files.h"

namespace tunesmith::engine {
namespace {

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

using WeightMap = std::map<std::string, std::string>;  // tensor -> shard

tl::unexpected<Failure> invalid(std::string message) {
  return permanent("ModelFileInvalid", std::move(message));
}

Result<WeightMap> read_index(const std::filesystem::path& path) {
  const auto json = read_json_object(path, "ModelFileMissing", "ModelFileInvalid");
  if (!json) return tl::unexpected(json.error());
  if (!json->contains("weight_map") || !json->at("weight_map").is_object()) {
    return invalid(fmt::format("{} has no object 'weight_map'", path.string()));
  }
  WeightMap map;
  for (const auto& [tensor, shard] : json->at("weight_map").items()) {
    const std::string name = shard.is_string() ? shard.get<std::string>() : "";
    if (name.empty() || name == ".." || name.find('/') != std::string::npos) {
      return invalid(fmt::format("{}: '{}' names the shard {}, a file name was expected",
                                 path.string(), tensor, shard.dump()));
    }
    map[tensor] = name;
  }
  return map;
}

}  // namespace

Result<ModelWeights> ModelWeights::open(const std::filesystem::path& dir) {
  ModelWeights weights;
  const bool sharded =
      !std::filesystem::exists(dir / kSingleFile) && std::filesystem::exists(dir / kIndexFile);
  WeightMap map;
  std::set<std::string> shards = {kSingleFile};
  if (sharded) {
    auto index = read_index(dir / kIndexFile);
    if (!index) return tl::unexpected(index.error());
    map = std::move(*index);
    shards.clear();
    for (const auto& [tensor, shard] : map) shards.insert(shard);
  }
  weights.files_.reserve(shards.size());
  for (const auto& shard : shards) {
    auto file = SafetensorsFile::open(dir / shard);
    if (!file) return tl::unexpected(file.error());
    weights.files_.push_back(std::move(*file));
    for (const auto& tensor : weights.files_.back().tensors()) {
      const auto entry = map.find(tensor.name);
      if (sharded && (entry == map.end() || entry->second != shard)) {
        return invalid(fmt::format("{} holds '{}', which the index does not place there",
                                   (dir / shard).string(), tensor.name));
      }
      weights.by_name_[tensor.name] = &tensor;
    }
  }
  for (const auto& [tensor, shard] : map) {
    if (!weights.contains(tensor)) {
      return invalid(fmt::format("{} lacks '{}', which the index places there",
                                 (dir / shard).string(), tensor));
    }
  }
  return weights;
}

Result<TensorView> ModelWeights::tensor(std::string_view name) const {
  const auto at = by_name_.find(name);
  if (at == by_name_.end()) {
    return permanent("ModelTensorMissing",
                     fmt::format("the model's files hold no tensor '{}'", name));
  }
  return *at->second;
}

std::vector<std::string> ModelWeights::names() const {
  std::vector<std::string> names;
  names.reserve(by_name_.size());
  for (const auto& [name, view] : by_name_) names.push_back(name);
  return names;
}

}  // namespace tunesmith::engine
