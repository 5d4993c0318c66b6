#include "quant/nf4_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "formats/json_fields.h"

namespace tunesmith::engine {
namespace {

constexpr const char* kStateSuffix = ".quant_state.bitsandbytes__nf4";
constexpr std::int64_t kMostExtent = 1LL << 31;

std::string key(std::string_view weight_name, const char* suffix) {
  return std::string(weight_name) + suffix;
}

std::string dtype_word(DType dtype) {
  if (dtype == DType::kBF16) return "bfloat16";
  return dtype == DType::kF16 ? "float16" : "float32";
}

template <typename Range>
TensorView view_of(std::string name, DType dtype, std::vector<std::int64_t> shape,
                   const Range& values) {
  return {std::move(name), dtype, std::move(shape), std::as_bytes(std::span(values))};
}

template <typename Range>
TensorView list_view(std::string name, DType dtype, const Range& values) {
  return view_of(std::move(name), dtype, {static_cast<std::int64_t>(values.size())}, values);
}

// Key order as bitsandbytes writes it.
std::string state_json(const Nf4Tensor& tensor, DType source_dtype) {
  nlohmann::ordered_json state = {{"quant_type", "nf4"},
                                  {"blocksize", kNf4Block},
                                  {"dtype", dtype_word(source_dtype)},
                                  {"shape", {tensor.rows, tensor.cols}}};
  if (tensor.double_quantized()) {
    state["nested_blocksize"] = kNf4NestedBlock;
    state["nested_dtype"] = "float32";
    state["nested_offset"] = static_cast<double>(tensor.nested_offset);
  }
  return state.dump();
}

// Copies `name`, which must have this dtype and this many elements.
template <typename T>
Result<std::vector<T>> load(const ModelWeights& weights, const std::string& name, DType dtype,
                            std::int64_t count) {
  const auto view = weights.tensor(name);
  if (!view) return tl::unexpected(view.error());
  if (view->dtype != dtype || view->element_count() != count) {
    return permanent(
        "ModelFileInvalid",
        fmt::format("tensor '{}' has {} elements of {}, expected {} of {}", name,
                    view->element_count(), dtype_name(view->dtype), count, dtype_name(dtype)));
  }
  std::vector<T> values(static_cast<std::size_t>(count));
  std::memcpy(values.data(), view->bytes.data(), view->bytes.size());
  return values;
}

template <typename T>
Result<void> load_into(std::vector<T>& target, const ModelWeights& weights, const std::string& name,
                       DType dtype, std::int64_t count) {
  return load<T>(weights, name, dtype, count).map([&](std::vector<T> values) {
    target = std::move(values);
  });
}

Result<void> check_table(const ModelWeights& weights, const std::string& name,
                         std::span<const float> expected) {
  const auto table =
      load<float>(weights, name, DType::kF32, static_cast<std::int64_t>(expected.size()));
  if (!table) return tl::unexpected(table.error());
  if (!std::equal(expected.begin(), expected.end(), table->begin())) {
    return permanent("ModelNotSupported",
                     fmt::format("tensor '{}' is not the code table of NF4 in bitsandbytes", name));
  }
  return {};
}

struct StateHeader {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  bool nested = false;
  double nested_offset = 0;
};

Result<StateHeader> parse_state(const TensorView& view) {
  const std::string_view text(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size());
  const auto state = nlohmann::json::parse(text, nullptr, false);
  if (!state.is_object())
    return permanent("ModelFileInvalid",
                     fmt::format("tensor '{}' is not a JSON object", view.name));
  StateHeader header;
  FieldReader fields(state);
  std::size_t only = 0;
  std::int64_t block = 0;
  std::int64_t nested_block = kNf4NestedBlock;
  fields.choice("quant_type", only, {"nf4"});
  fields.integer("blocksize", block, 1, kMostExtent);
  header.nested = fields.any("nested_blocksize", Presence::kOptional) != nullptr;
  fields.integer("nested_blocksize", nested_block, 1, kMostExtent, Presence::kOptional);
  fields.number("nested_offset", header.nested_offset, {.low = -1e38, .high = 1e38},
                header.nested ? Presence::kRequired : Presence::kOptional);
  const auto* shape = fields.any("shape", Presence::kRequired);
  if (shape != nullptr &&
      (!shape->is_array() || shape->size() != 2 || !shape->at(0).is_number_unsigned() ||
       !shape->at(1).is_number_unsigned() || shape->at(0) > kMostExtent ||
       shape->at(1) > kMostExtent)) {
    fields.complain(fmt::format("'shape' must be two sizes, found {}", shape->dump()));
  }
  if (fields.problem())
    return permanent("ModelFileInvalid",
                     fmt::format("tensor '{}': {}", view.name, *fields.problem()));
  if (block != kNf4Block || nested_block != kNf4NestedBlock) {
    return permanent(
        "ModelNotSupported",
        fmt::format("tensor '{}': block sizes {} and {} are not supported (known: 64 and 256)",
                    view.name, block, nested_block));
  }
  header.rows = shape->at(0).get<std::int64_t>();
  header.cols = shape->at(1).get<std::int64_t>();
  return header;
}

}  // namespace

Nf4State::Nf4State(std::string_view weight_name, const Nf4Tensor& tensor, DType source_dtype)
    : quant_state_json_(state_json(tensor, source_dtype)) {
  const auto packed_bytes = static_cast<std::int64_t>(tensor.packed.size());
  views_.push_back(view_of(std::string(weight_name), DType::kU8, {packed_bytes, 1}, tensor.packed));
  views_.push_back(list_view(key(weight_name, ".quant_map"), DType::kF32, nf4_codebook()));
  views_.push_back(list_view(key(weight_name, kStateSuffix), DType::kU8, quant_state_json_));
  if (!tensor.double_quantized()) {
    views_.push_back(list_view(key(weight_name, ".absmax"), DType::kF32, tensor.absmax));
    return;
  }
  views_.push_back(list_view(key(weight_name, ".absmax"), DType::kU8, tensor.absmax_codes));
  views_.push_back(
      list_view(key(weight_name, ".nested_absmax"), DType::kF32, tensor.nested_absmax));
  views_.push_back(list_view(key(weight_name, ".nested_quant_map"), DType::kF32, dynamic_map()));
}

bool has_nf4_state(const ModelWeights& weights, std::string_view weight_name) {
  return weights.contains(key(weight_name, kStateSuffix));
}

Result<Nf4Tensor> read_nf4_state(const ModelWeights& weights, std::string_view weight_name) {
  const auto header = weights.tensor(key(weight_name, kStateSuffix)).and_then(parse_state);
  if (!header) return tl::unexpected(header.error());
  Nf4Tensor tensor;
  tensor.rows = header->rows;
  tensor.cols = header->cols;
  const std::int64_t blocks = tensor.block_count();
  const std::string absmax = key(weight_name, ".absmax");
  Result<void> done =
      check_table(weights, key(weight_name, ".quant_map"), nf4_codebook()).and_then([&] {
        return load_into(tensor.packed, weights, std::string(weight_name), DType::kU8,
                         (tensor.element_count() + 1) / 2);
      });
  if (done && !header->nested)
    done = load_into(tensor.absmax, weights, absmax, DType::kF32, blocks);
  if (done && header->nested) {
    tensor.nested_offset = static_cast<float>(header->nested_offset);
    done = check_table(weights, key(weight_name, ".nested_quant_map"), dynamic_map())
               .and_then([&] {
                 return load_into(tensor.absmax_codes, weights, absmax, DType::kU8, blocks);
               })
               .and_then([&] {
                 return load_into(tensor.nested_absmax, weights, key(weight_name, ".nested_absmax"),
                                  DType::kF32, (blocks + kNf4NestedBlock - 1) / kNf4NestedBlock);
               });
  }
  if (!done) return tl::unexpected(done.error());
  return tensor;
}

}  // namespace tunesmith::engine
