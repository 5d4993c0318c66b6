// The weights of a model folder in Hugging Face's layout, whether in one file or in shards.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "failure.h"
#include "formats/safetensors.h"

namespace tunesmith::engine {

// All tensors of model.safetensors, or of the shards that model.safetensors.index.json names.
// Move-only; the views it hands out live as long as it does. All const members may be called from
// several threads.
class ModelWeights {
 public:
  // Failures (permanent): ModelFileMissing when neither file is there or a shard is;
  // ModelFileInvalid when a file is broken, a shard's name leaves the folder, or the index and its
  // shards disagree.
  static Result<ModelWeights> open(const std::filesystem::path& dir);

  // Failure (permanent): ModelTensorMissing.
  Result<TensorView> tensor(std::string_view name) const;
  bool contains(std::string_view name) const { return by_name_.contains(name); }
  // Sorted.
  std::vector<std::string> names() const;

 private:
  ModelWeights() = default;

  std::vector<SafetensorsFile> files_;
  std::map<std::string, const TensorView*, std::less<>> by_name_;
};

}  // namespace tunesmith::engine
