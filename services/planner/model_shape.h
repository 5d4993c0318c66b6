// What config.json says about the size of a decoder, and which architectures the engine trains.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::planner {

// Of a decoder-only model; elements, not bytes.
struct ModelShape {
  std::string architecture;  // model_type
  std::uint64_t vocab = 0, hidden = 0, intermediate = 0, layers = 0;
  std::uint64_t heads = 0, kv_heads = 0, head_dim = 0;
  std::uint64_t max_positions = 0;
  bool tied_embeddings = false;

  std::uint64_t linear_parameters() const;     // of all linear layers but the head
  std::uint64_t embedding_parameters() const;  // embedding and, unless tied, the head
  std::uint64_t parameters() const;            // with the norms
  // Of LoRA matrices of rank r on the named modules (empty = all linear layers but the head).
  std::uint64_t adapter_parameters(std::uint64_t rank,
                                   const std::vector<std::string>& modules) const;
  // Names of the linear modules of a layer.
  std::vector<std::string> modules() const;
};

// `model_type` values that tunesmith-engine trains at this version.
const std::vector<std::string>& implemented_architectures();

// Permanent `ArchitectureNotSupported` (naming what is supported), `ModelNotReadable` (no JSON, a
// size absent or out of range).
Result<ModelShape> read_model_shape(std::string_view config_json, const std::string& repository);

}  // namespace tunesmith::planner
