// Helpers that forward and backward share. Private to decoder*.cpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "model/batch.h"
#include "model/kernels.h"
#include "model/parallel.h"

namespace tunesmith::engine {

inline AttentionShape attention_shape(const ModelConfig& config) {
  return {config.num_attention_heads, config.num_key_value_heads, config.head_dim,
          1.0F / std::sqrt(static_cast<float>(config.head_dim))};
}

inline void copy_matrix(const Matrix& from, const Matrix& to) {
  const auto bytes = static_cast<std::size_t>(from.cols * elem_size(from.elem));
  if (bytes == 0) return;
  parallel_for(from.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      std::memcpy(to.row_range(r, 1).data, from.row_range(r, 1).data, bytes);
    }
  });
}

// Calls work(worker, item) for every head of every document: longest documents first, dealt out in
// turn, so that the threads end at nearly the same time.
template <typename Work>
void for_each_attention_item(const Batch& batch, std::int64_t heads, const Work& work) {
  std::vector<AttentionItem> items;
  for (std::size_t d = 0; d + 1 < batch.document_starts.size(); ++d) {
    const std::int64_t begin = batch.document_starts[d];
    for (std::int64_t head = 0; head < heads; ++head) {
      items.push_back({head, begin, batch.document_starts[d + 1] - begin});
    }
  }
  std::ranges::stable_sort(items, std::ranges::greater{}, &AttentionItem::length);
  const auto workers = static_cast<std::size_t>(threads());
  on_each_thread([&](int worker) {
    for (auto i = static_cast<std::size_t>(worker); i < items.size(); i += workers) {
      work(worker, items[i]);
    }
  });
}

}  // namespace tunesmith::engine
