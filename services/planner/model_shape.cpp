#include "planner/model_shape.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tunesmith::planner {
namespace {

using nlohmann::json;

struct Module {
  const char* name;
  std::uint64_t in, out;
};

std::vector<Module> modules_of(const ModelShape& shape) {
  const std::uint64_t q = shape.heads * shape.head_dim;
  const std::uint64_t kv = shape.kv_heads * shape.head_dim;
  return {{"q_proj", shape.hidden, q},
          {"k_proj", shape.hidden, kv},
          {"v_proj", shape.hidden, kv},
          {"o_proj", q, shape.hidden},
          {"gate_proj", shape.hidden, shape.intermediate},
          {"up_proj", shape.hidden, shape.intermediate},
          {"down_proj", shape.intermediate, shape.hidden}};
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) {
    text += (text.empty() ? "" : ", ") + word;
  }
  return text;
}

// 0 when absent or no positive whole number below 2^31.
std::uint64_t size_of(const json& config, const char* key, std::uint64_t fallback = 0) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) {
    return fallback;
  }
  const bool valid = found->is_number_integer() && found->get<std::int64_t>() > 0 &&
                     found->get<std::int64_t>() < (std::int64_t{1} << 31);
  return valid ? found->get<std::uint64_t>() : 0;
}

}  // namespace

std::uint64_t ModelShape::linear_parameters() const {
  std::uint64_t sum = 0;
  for (const auto& module : modules_of(*this)) {
    sum += module.in * module.out;
  }
  return layers * sum;
}

std::uint64_t ModelShape::embedding_parameters() const {
  return vocab * hidden * (tied_embeddings ? 1 : 2);
}

std::uint64_t ModelShape::parameters() const {
  return linear_parameters() + embedding_parameters() + (2 * layers + 1) * hidden;
}

std::uint64_t ModelShape::adapter_parameters(std::uint64_t rank,
                                             const std::vector<std::string>& wanted) const {
  std::uint64_t sum = 0;
  for (const auto& module : modules_of(*this)) {
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), module.name) != wanted.end()) {
      sum += module.in + module.out;
    }
  }
  return layers * rank * sum;
}

std::vector<std::string> ModelShape::modules() const {
  std::vector<std::string> names;
  for (const auto& module : modules_of(*this)) {
    names.emplace_back(module.name);
  }
  return names;
}

const std::vector<std::string>& implemented_architectures() {
  static const std::vector<std::string> architectures{"llama"};
  return architectures;
}

Result<ModelShape> read_model_shape(std::string_view config_json, const std::string& repository) {
  const json config = json::parse(config_json, nullptr, false);
  if (!config.is_object()) {
    return permanent("ModelNotReadable", "config.json of " + repository + " is no JSON object");
  }
  ModelShape shape;
  if (const auto type = config.find("model_type"); type != config.end() && type->is_string()) {
    shape.architecture = type->get<std::string>();
  }
  const auto& known = implemented_architectures();
  if (std::find(known.begin(), known.end(), shape.architecture) == known.end()) {
    return permanent("ArchitectureNotSupported",
                     "the model " + repository + " has the architecture '" +
                         shape.architecture.substr(0, 60) + "', this version trains: " +
                         joined(known) + " (Llama 2 and 3, SmolLM2); choose such a model");
  }
  shape.vocab = size_of(config, "vocab_size");
  shape.hidden = size_of(config, "hidden_size");
  shape.intermediate = size_of(config, "intermediate_size");
  shape.layers = size_of(config, "num_hidden_layers");
  shape.heads = size_of(config, "num_attention_heads");
  shape.kv_heads = size_of(config, "num_key_value_heads", shape.heads);
  shape.head_dim = size_of(config, "head_dim", shape.heads == 0 ? 0 : shape.hidden / shape.heads);
  shape.max_positions = size_of(config, "max_position_embeddings", 2048);
  const auto tied = config.find("tie_word_embeddings");
  shape.tied_embeddings = tied != config.end() && tied->is_boolean() && tied->get<bool>();
  for (const std::uint64_t size : {shape.vocab, shape.hidden, shape.intermediate, shape.layers,
                                   shape.heads, shape.kv_heads, shape.head_dim}) {
    if (size == 0 || size > (1u << 24)) {
      return permanent("ModelNotReadable",
                       "config.json of " + repository +
                           " lacks a size (vocab_size, hidden_size, intermediate_size, "
                           "num_hidden_layers, num_attention_heads) or has one out of range");
    }
  }
  if (shape.layers > 10'000) {
    return permanent("ModelNotReadable", "config.json of " + repository + " names " +
                                             std::to_string(shape.layers) + " layers");
  }
  return shape;
}

}  // namespace tunesmith::planner
