#include "planner/memory_estimate.h"

#include <algorithm>
#include <string>
#include <vector>

namespace tunesmith::planner {
namespace {

constexpr double kNf4BytesPerParameter = 0.5159;
constexpr std::uint64_t kAdapterBytesPerParameter = 16;
constexpr std::uint64_t kLogitRows = 256;
constexpr std::uint64_t kProcessBytes = 256ull << 20;

std::uint64_t tokens_of_micro_batch(const MemoryQuestion& question) {
  const auto& hyper = question.hyper_parameters;
  const std::uint64_t cut = hyper.max_seq_length();
  const bool short_examples = !hyper.packing() && question.example_tokens != 0;
  const std::uint64_t longest = short_examples ? std::min(cut, question.example_tokens) : cut;
  return hyper.per_device_train_batch_size() * longest;
}

std::uint64_t weights_of(const MemoryQuestion& question) {
  const ModelShape& shape = question.shape;
  const std::uint64_t outside =
      (shape.embedding_parameters() + (2 * shape.layers + 1) * shape.hidden) *
      question.element_bytes;
  const std::uint64_t linear = shape.linear_parameters();
  if (question.method == events::v1::TUNING_METHOD_LORA) {
    return outside + linear * question.element_bytes;
  }
  return outside + static_cast<std::uint64_t>(static_cast<double>(linear) * kNf4BytesPerParameter) +
         linear / shape.layers * question.element_bytes;
}

std::uint64_t activations_of(const MemoryQuestion& question) {
  const ModelShape& shape = question.shape;
  const std::uint64_t tokens = tokens_of_micro_batch(question);
  const std::uint64_t layer =
      5 * shape.hidden + 2 * shape.kv_heads * shape.head_dim + 3 * shape.intermediate;
  const std::uint64_t elements = question.hyper_parameters.gradient_checkpointing()
                                     ? shape.layers * shape.hidden + layer
                                     : shape.layers * layer;
  return tokens * elements * question.element_bytes;
}

}  // namespace

MemoryEstimate estimate_memory(const MemoryQuestion& question) {
  const auto& hyper = question.hyper_parameters;
  const std::vector<std::string> modules(hyper.target_modules().begin(),
                                         hyper.target_modules().end());
  return {.weights = weights_of(question),
          .adapter = question.shape.adapter_parameters(hyper.lora_rank(), modules) *
                     kAdapterBytesPerParameter,
          .activations = activations_of(question),
          .logits = 2 * kLogitRows * question.shape.vocab * sizeof(float),
          .process = kProcessBytes};
}

std::uint32_t largest_batch(MemoryQuestion question, std::uint64_t memory_bytes) {
  auto& hyper = question.hyper_parameters;
  for (std::uint32_t batch = hyper.per_device_train_batch_size(); batch > 0; --batch) {
    hyper.set_per_device_train_batch_size(batch);
    if (estimate_memory(question).total() <= memory_bytes) {
      return batch;
    }
  }
  return 0;
}

}  // namespace tunesmith::planner
