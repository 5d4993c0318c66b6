#include "formats/adapter.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <system_error>

#include "formats/convert.h"
#include "formats/files.h"
#include "formats/json_fields.h"
#include "formats/safetensors.h"

namespace tunesmith::engine {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kSuffixA = ".lora_A.weight";
constexpr std::string_view kSuffixB = ".lora_B.weight";
constexpr std::int64_t kMostRank = 65536;
constexpr double kMost = 1e9;

// peft settings that change what the adapter computes when they are anything but null, false or
// empty.
constexpr std::array kMustBeEmpty = {"alpha_pattern",
                                     "rank_pattern",
                                     "modules_to_save",
                                     "use_dora",
                                     "fan_in_fan_out",
                                     "lora_bias",
                                     "layer_replication",
                                     "target_parameters",
                                     "trainable_token_indices",
                                     "use_qalora",
                                     "use_bdlora",
                                     "arrow_config",
                                     "kasa_config",
                                     "monteclora_config",
                                     "velora_config",
                                     "alora_invocation_tokens",
                                     "layers_to_transform",
                                     "exclude_modules"};

tl::unexpected<Failure> invalid(std::string message) {
  return permanent("AdapterInvalid", std::move(message));
}

bool is_empty(const json& value) {
  return value.is_null() || value == false ||
         ((value.is_object() || value.is_array()) && value.empty());
}

Result<AdapterConfig> read_config(const fs::path& path) {
  const auto object = read_json_object(path, "AdapterMissing", "AdapterInvalid");
  if (!object) return tl::unexpected(object.error());
  for (const char* key : kMustBeEmpty) {
    if (object->contains(key) && !is_empty(object->at(key))) {
      return permanent(
          "AdapterNotSupported",
          fmt::format("{}: '{}': {} is not supported", path.string(), key, object->at(key).dump()));
    }
  }
  AdapterConfig config;
  FieldReader fields(*object);
  std::size_t only = 0;
  fields.choice("peft_type", only, {"LORA"});
  fields.choice("bias", only, {"none"}, Presence::kOptional);
  fields.text("base_model_name_or_path", config.base_model_name_or_path, Presence::kOptional);
  fields.integer("r", config.r, 1, kMostRank);
  fields.number("lora_alpha", config.lora_alpha, {.low = 0, .high = kMost});
  fields.number("lora_dropout", config.lora_dropout, {.low = 0, .high = 1, .high_included = false},
                Presence::kOptional);
  fields.boolean("use_rslora", config.use_rslora, Presence::kOptional);
  if (fields.problem()) return invalid(fmt::format("{}: {}", path.string(), *fields.problem()));
  return config;
}

// The module path and whether it is A, or nothing when the tensor is no LoRA matrix of a linear
// layer.
std::optional<std::pair<std::string, bool>> split_key(std::string_view key) {
  const bool is_a = key.ends_with(kSuffixA);
  if (!key.starts_with(kPrefix) || (!is_a && !key.ends_with(kSuffixB))) return std::nullopt;
  key.remove_prefix(kPrefix.size());
  key.remove_suffix(kSuffixA.size());
  return std::pair(std::string(key), is_a);
}

Result<void> add_matrix(const TensorView& tensor, std::int64_t r,
                        std::map<std::string, LoraModule>& modules) {
  const auto key = split_key(tensor.name);
  if (!key) {
    return permanent("AdapterNotSupported",
                     fmt::format("the adapter's tensor '{}' is not a LoRA matrix of a linear layer",
                                 tensor.name));
  }
  const auto& [path, is_a] = *key;
  if (tensor.shape.size() != 2 || tensor.shape[is_a ? 0 : 1] != r) {
    return invalid(fmt::format("the adapter's tensor '{}' does not have rank {}", tensor.name, r));
  }
  auto values = to_fp32(tensor);
  if (!values) return tl::unexpected(values.error());
  LoraModule& module = modules[path];
  module.path = path;
  (is_a ? module.in_features : module.out_features) = tensor.shape[is_a ? 1 : 0];
  (is_a ? module.a : module.b) = std::move(*values);
  return {};
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('.') + 1); }

// --- writing
// ------------------------------------------------------------------------------------------------------

json config_json(const Adapter& adapter) {
  const AdapterConfig& config = adapter.config;
  std::set<std::string> targets(config.target_modules.begin(), config.target_modules.end());
  json out = {{"base_model_name_or_path", config.base_model_name_or_path},
              {"bias", "none"},
              {"fan_in_fan_out", false},
              {"inference_mode", true},
              {"lora_alpha", config.lora_alpha},
              {"lora_dropout", config.lora_dropout},
              {"peft_type", "LORA"},
              {"r", config.r},
              {"target_modules", targets},
              {"task_type", "CAUSAL_LM"},
              {"use_rslora", config.use_rslora}};
  // vLLM and others expect an integer where the value is one.
  if (config.lora_alpha == std::floor(config.lora_alpha))
    out["lora_alpha"] = static_cast<std::int64_t>(config.lora_alpha);
  return out;
}

TensorView matrix_view(std::string name, std::int64_t rows, std::int64_t cols,
                       const std::vector<float>& values) {
  if (static_cast<std::int64_t>(values.size()) != rows * cols) {
    throw std::invalid_argument("write_adapter: size of " + name + " disagrees with its shape");
  }
  return {std::move(name), DType::kF32, {rows, cols}, std::as_bytes(std::span(values))};
}

Result<void> write_files(const fs::path& dir, const Adapter& adapter) {
  std::vector<TensorView> tensors;
  for (const LoraModule& module : adapter.modules) {
    const std::string key = fmt::format("{}{}", kPrefix, module.path);
    tensors.push_back(
        matrix_view(key + std::string(kSuffixA), adapter.config.r, module.in_features, module.a));
    tensors.push_back(
        matrix_view(key + std::string(kSuffixB), module.out_features, adapter.config.r, module.b));
  }
  const std::string config = config_json(adapter).dump(2) + "\n";
  const std::array chunks = {std::as_bytes(std::span(config))};
  return write_safetensors(dir / kWeightsFile, tensors, {{"format", "pt"}}).and_then([&] {
    return write_file_atomically(dir / kConfigFile, chunks);
  });
}

// Puts `fresh` at `dir`; what was there before is swapped out in the same instant where the file
// system can.
bool move_folder(const fs::path& fresh, const fs::path& dir, std::error_code& error) {
  fs::rename(fresh, dir, error);
  if (!error) return true;
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, dir.c_str(), RENAME_EXCHANGE) != 0) {
    fs::remove_all(dir, error);
    fs::rename(fresh, dir, error);
    return !error;
  }
  fs::remove_all(fresh, error);
  return true;
}

}  // namespace

double AdapterConfig::scale() const {
  const auto rank = static_cast<double>(r);
  return lora_alpha / (use_rslora ? std::sqrt(rank) : rank);
}

Result<Adapter> read_adapter(const fs::path& dir) {
  auto config = read_config(dir / kConfigFile);
  if (!config) return tl::unexpected(config.error());
  if (!fs::exists(dir / kWeightsFile)) {
    return permanent("AdapterMissing",
                     fmt::format("there is no {}", (dir / kWeightsFile).string()));
  }
  const auto file = SafetensorsFile::open(dir / kWeightsFile);
  if (!file) return invalid(file.error().message);

  std::map<std::string, LoraModule> modules;
  for (const TensorView& tensor : file->tensors()) {
    if (auto added = add_matrix(tensor, config->r, modules); !added)
      return tl::unexpected(added.error());
  }
  Adapter adapter{std::move(*config), {}};
  std::set<std::string> targets;
  for (auto& [path, module] : modules) {
    if (module.a.empty() || module.b.empty())
      return invalid(fmt::format("the adapter has only one matrix for '{}'", path));
    targets.insert(last_part(path));
    adapter.modules.push_back(std::move(module));
  }
  if (adapter.modules.empty())
    return invalid(fmt::format("{} holds no LoRA matrix", (dir / kWeightsFile).string()));
  adapter.config.target_modules.assign(targets.begin(), targets.end());
  return adapter;
}

Result<void> write_adapter(const fs::path& dir, const Adapter& adapter) {
  const fs::path target = dir.has_filename() ? dir : dir.parent_path();  // without a trailing slash
  fs::path fresh = target;
  fresh += fmt::format(".new-{}", ::getpid());
  std::error_code error;
  fs::remove_all(fresh, error);
  fs::create_directories(fresh, error);
  Result<void> written;
  if (error) {
    written =
        transient("DiskFull", fmt::format("cannot create {}: {}", fresh.string(), error.message()));
  } else {
    written = write_files(fresh, adapter);
  }
  if (written && !move_folder(fresh, target, error)) {
    written = transient("DiskFull", fmt::format("cannot move the adapter to {}: {}", dir.string(),
                                                error.message()));
  }
  if (written) return sync_folder(target.parent_path());
  fs::remove_all(fresh, error);
  return written;
}

}  // namespace tunesmith::engine
