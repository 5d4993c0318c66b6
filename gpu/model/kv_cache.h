// Keys and values of one sequence that is being generated.
#pragma once

#include <cstdint>

#include "formats/model_config.h"
#include "model/matrix.h"

namespace tunesmith::engine {

// Room for `capacity` tokens, per layer [kv_heads, capacity, head_dim] keys (rotated) and values.
class KvCache {
 public:
  KvCache(const ModelConfig& config, Elem elem, std::int64_t capacity)
      : capacity_(capacity),
        layer_bytes_(config.num_key_value_heads * capacity * config.head_dim * elem_size(elem)),
        storage_(static_cast<std::size_t>(2 * layer_bytes_ * config.num_hidden_layers)) {}

  void* keys(std::int64_t layer) const { return storage_.data() + 2 * layer * layer_bytes_; }
  void* values(std::int64_t layer) const {
    return storage_.data() + (2 * layer + 1) * layer_bytes_;
  }
  std::int64_t capacity() const { return capacity_; }
  std::int64_t length = 0;  // tokens in it

 private:
  std::int64_t capacity_;
  std::int64_t layer_bytes_;
  Buffer storage_;
};

}  // namespace tunesmith::engine
