#include "formats/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "formats/files.h"
#include "formats/json_fields.h"

namespace tunesmith::engine {
namespace {

using nlohmann::json;

constexpr std::int64_t kMostExtent = 1LL << 24;
constexpr std::int64_t kMostLayers = 4096;
constexpr std::int64_t kMostHeads = 4096;
constexpr std::int64_t kMostPositions = 1LL << 31;
constexpr double kMost = 1e12;

// Collects what is malformed (FieldReader) and, apart from it, what is well-formed and not
// implemented.
struct ConfigReader {
  explicit ConfigReader(const json& config) : object(config), fields(config) {}

  void not_supported(std::string what) {
    if (!unsupported) unsupported = std::move(what);
  }
  // A switch that must be off, because on it would change the arithmetic.
  void must_be_false(const char* key) {
    bool on = false;
    fields.boolean(key, on, Presence::kOptional);
    if (on) not_supported(fmt::format("'{}': true", key));
  }

  const json& object;
  FieldReader fields;
  std::optional<std::string> unsupported;
};

// Token ids are a number, a list of numbers, or null.
std::vector<std::int64_t> token_ids(const json& object, const char* key,
                                    std::vector<std::int64_t> otherwise) {
  const auto at = object.find(key);
  if (at == object.end()) return otherwise;
  const json list = at->is_array() ? *at : json::array({*at});
  std::vector<std::int64_t> ids;
  for (const auto& id : list) {
    if (id.is_number_unsigned() && id.get<std::uint64_t>() < (1ULL << 31))
      ids.push_back(id.get<std::int64_t>());
  }
  return ids;
}

std::optional<std::int64_t> first_of(const std::vector<std::int64_t>& ids) {
  return ids.empty() ? std::nullopt : std::optional(ids.front());
}

void read_sizes(ConfigReader& in, ModelConfig& out) {
  FieldReader& fields = in.fields;
  fields.integer("vocab_size", out.vocab_size, 1, kMostExtent);
  fields.integer("hidden_size", out.hidden_size, 1, kMostExtent);
  fields.integer("intermediate_size", out.intermediate_size, 1, kMostExtent);
  fields.integer("num_hidden_layers", out.num_hidden_layers, 1, kMostLayers);
  fields.integer("num_attention_heads", out.num_attention_heads, 1, kMostHeads);
  out.num_key_value_heads = out.num_attention_heads;
  fields.integer("num_key_value_heads", out.num_key_value_heads, 1, kMostHeads,
                 Presence::kOptional);
  if (fields.problem()) return;
  out.head_dim = out.hidden_size / out.num_attention_heads;
  fields.integer("head_dim", out.head_dim, 2, kMostExtent, Presence::kOptional);
  if (out.num_attention_heads % out.num_key_value_heads != 0) {
    fields.complain(
        fmt::format("'num_attention_heads' ({}) must be a multiple of 'num_key_value_heads' ({})",
                    out.num_attention_heads, out.num_key_value_heads));
  }
  if (out.head_dim < 2 || out.head_dim % 2 != 0) {
    fields.complain(fmt::format("'head_dim' must be even, found {}", out.head_dim));
  }
}

// transformers 5 keeps everything in `rope_parameters`; 4 has `rope_theta` beside `rope_scaling`
// (older: `type`).
void read_rope(ConfigReader& in, ModelConfig& out) {
  const NumberRange positive{.low = 0, .high = kMost, .low_included = false};
  in.fields.number("rope_theta", out.rope_theta, positive, Presence::kOptional);
  const json* rope = in.fields.any("rope_parameters", Presence::kOptional);
  if (rope == nullptr) rope = in.fields.any("rope_scaling", Presence::kOptional);
  if (rope == nullptr) return;
  if (!rope->is_object()) return in.fields.complain("'rope_parameters' must be an object");

  FieldReader fields(*rope, "rope_parameters.");
  std::string type = "default";
  fields.text("type", type, Presence::kOptional);
  fields.text("rope_type", type, Presence::kOptional);
  fields.number("rope_theta", out.rope_theta, positive, Presence::kOptional);
  double partial = 1;
  fields.number("partial_rotary_factor", partial, positive, Presence::kOptional);
  if (partial != 1) in.not_supported(fmt::format("'partial_rotary_factor': {}", partial));
  if (type == "llama3") {
    Llama3RopeScaling scaling;
    scaling.original_max_position_embeddings = out.max_position_embeddings;
    fields.number("factor", scaling.factor, positive);
    fields.number("low_freq_factor", scaling.low_freq_factor, positive);
    fields.number("high_freq_factor", scaling.high_freq_factor, positive);
    fields.integer("original_max_position_embeddings", scaling.original_max_position_embeddings, 1,
                   kMostPositions, Presence::kOptional);
    out.llama3_rope_scaling = scaling;
  } else if (type != "default") {
    in.not_supported(
        fmt::format("the rotary embedding 'rope_type': '{}' (known: default, llama3)", type));
  }
  if (fields.problem()) in.fields.complain(*fields.problem());
}

// `dtype` in transformers 5, `torch_dtype` in 4.
void read_dtype(ConfigReader& in, ModelConfig& out) {
  const char* key = in.object.contains("dtype") ? "dtype" : "torch_dtype";
  std::string name = "float32";
  in.fields.text(key, name, Presence::kOptional);
  if (name == "float32")
    out.dtype = DType::kF32;
  else if (name == "float16")
    out.dtype = DType::kF16;
  else if (name == "bfloat16")
    out.dtype = DType::kBF16;
  else
    in.not_supported(fmt::format("'{}': '{}' (known: float32, float16, bfloat16)", key, name));
}

void read_quantization(ConfigReader& in, ModelConfig& out) {
  const json* found = in.fields.any("quantization_config", Presence::kOptional);
  if (found == nullptr) return;
  if (!found->is_object()) return in.fields.complain("'quantization_config' must be an object");
  FieldReader fields(*found, "quantization_config.");
  std::string method;
  bool four_bit = false;
  std::string type;
  fields.text("quant_method", method, Presence::kOptional);
  fields.boolean("load_in_4bit", four_bit, Presence::kOptional);
  fields.text("bnb_4bit_quant_type", type, Presence::kOptional);
  out.stored_as_nf4 = method == "bitsandbytes" && four_bit && type == "nf4";
  if (!out.stored_as_nf4)
    in.not_supported(fmt::format("weights quantised by '{}' (known: bitsandbytes nf4)", method));
  if (fields.problem()) in.fields.complain(*fields.problem());
}

void read_llama(ConfigReader& in, ModelConfig& out) {
  read_sizes(in, out);
  in.fields.integer("max_position_embeddings", out.max_position_embeddings, 1, kMostPositions);
  in.fields.number("rms_norm_eps", out.rms_norm_eps, {.low = 0, .high = 1}, Presence::kOptional);
  in.fields.boolean("tie_word_embeddings", out.tie_word_embeddings, Presence::kOptional);
  read_rope(in, out);
  read_dtype(in, out);
  read_quantization(in, out);
  std::string activation = "silu";
  in.fields.text("hidden_act", activation, Presence::kOptional);
  if (activation != "silu")
    in.not_supported(fmt::format("'hidden_act': '{}' (known: silu)", activation));
  in.must_be_false("attention_bias");
  in.must_be_false("mlp_bias");
  // LlamaConfig's own defaults stand in for absent ids.
  out.bos_token_id = first_of(token_ids(in.object, "bos_token_id", {1}));
  out.pad_token_id = first_of(token_ids(in.object, "pad_token_id", {}));
  out.eos_token_ids = token_ids(in.object, "eos_token_id", {2});
}

struct Family {
  const char* model_type;
  const char* architecture;
  void (*read)(ConfigReader&, ModelConfig&);
};

// A new family is a row here and a reader that fills ModelConfig.
constexpr std::array kFamilies = {Family{"llama", "LlamaForCausalLM", read_llama}};

Result<const Family*> find_family(const json& config, const std::filesystem::path& path) {
  const std::string type = config.contains("model_type") ? config["model_type"].dump() : "absent";
  const auto family = std::find_if(kFamilies.begin(), kFamilies.end(), [&](const Family& row) {
    return config.contains("model_type") && config["model_type"] == row.model_type;
  });
  if (family == kFamilies.end()) {
    return permanent("ArchitectureNotSupported",
                     fmt::format("{}: the model family {} is not supported (known: llama)",
                                 path.string(), type));
  }
  const auto architectures = config.find("architectures");
  if (architectures != config.end() && architectures->is_array() && !architectures->empty() &&
      architectures->front() != family->architecture) {
    return permanent(
        "ArchitectureNotSupported",
        fmt::format("{}: the architecture {} is not supported (known: {})", path.string(),
                    architectures->front().dump(), family->architecture));
  }
  return &*family;
}

// generation_config.json may name more end tokens than config.json does.
void add_generation_ends(const std::filesystem::path& dir, ModelConfig& config) {
  const auto generation =
      read_json_object(dir / "generation_config.json", "ModelFileMissing", "ModelFileInvalid");
  if (generation) {
    const auto more = token_ids(*generation, "eos_token_id", {});
    config.eos_token_ids.insert(config.eos_token_ids.end(), more.begin(), more.end());
  }
  std::sort(config.eos_token_ids.begin(), config.eos_token_ids.end());
  config.eos_token_ids.erase(std::unique(config.eos_token_ids.begin(), config.eos_token_ids.end()),
                             config.eos_token_ids.end());
}

}  // namespace

Result<ModelConfig> read_model_config(const std::filesystem::path& dir) {
  const std::filesystem::path path = dir / "config.json";
  const auto object = read_json_object(path, "ModelFileMissing", "ModelFileInvalid");
  if (!object) return tl::unexpected(object.error());
  const auto family = find_family(*object, path);
  if (!family) return tl::unexpected(family.error());

  ModelConfig config;
  config.model_type = (*family)->model_type;
  ConfigReader reader(*object);
  (*family)->read(reader, config);
  if (reader.fields.problem()) {
    return permanent("ModelFileInvalid",
                     fmt::format("{}: {}", path.string(), *reader.fields.problem()));
  }
  if (reader.unsupported) {
    return permanent("ModelNotSupported",
                     fmt::format("{}: {} is not supported", path.string(), *reader.unsupported));
  }
  add_generation_ends(dir, config);
  return config;
}

std::vector<float> rope_inverse_frequencies(const ModelConfig& config) {
  std::vector<float> frequencies(static_cast<std::size_t>(config.head_dim / 2));
  const auto base = static_cast<float>(config.rope_theta);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(config.head_dim);
    frequencies[i] = 1.0F / std::pow(base, exponent);
  }
  if (!config.llama3_rope_scaling) return frequencies;

  const Llama3RopeScaling& scaling = *config.llama3_rope_scaling;
  const auto context = static_cast<float>(scaling.original_max_position_embeddings);
  const auto factor = static_cast<float>(scaling.factor);
  const auto low = static_cast<float>(scaling.low_freq_factor);
  const auto high = static_cast<float>(scaling.high_freq_factor);
  for (float& frequency : frequencies) {
    const float wavelength = static_cast<float>(2 * std::numbers::pi) / frequency;
    if (wavelength > context / low) {
      frequency = frequency / factor;
    } else if (wavelength >= context / high) {
      const float smooth = (context / wavelength - low) / (high - low);
      frequency = (1 - smooth) * frequency / factor + smooth * frequency;
    }
  }
  return frequencies;
}

}  // namespace tunesmith::engine
