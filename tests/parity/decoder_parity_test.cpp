// Logits of the decoder against transformers in fp32, from the model folders that transformers
// wrote.
#include <gtest/gtest.h>

#include "formats/adapter.h"
#include "golden.h"
#include "model/cpu_features.h"
#include "model/decoder.h"
#include "model/kernels.h"

namespace tunesmith::engine {
namespace {

constexpr double kTolerance = 1e-4;  // max |a - b| / max |b|

Decoder open_decoder(const std::string& model, const std::string& adapter, WeightOptions options) {
  const auto dir = golden(model);
  const ModelConfig config = read_model_config(dir).value();
  Lora lora;
  if (!adapter.empty()) {
    const Adapter stored = read_adapter(golden(adapter)).value();
    lora = make_lora(config, stored.config).value();
    EXPECT_TRUE(copy_from_adapter(lora, stored));
  }
  options.elem = Elem::kF32;
  const Kernels& kernels = kernels_for(best_isa(detect_cpu_features("")), Elem::kF32);
  Weights weights = Weights::load(dir, options, kernels, lora, config).value();
  return {std::move(weights), std::move(lora)};
}

// Logits of every `stride`-th position.
std::vector<float> logits(Decoder& decoder, const std::vector<std::int64_t>& ids,
                          std::int64_t stride) {
  Batch batch;
  batch.tokens.assign(ids.begin(), ids.end());
  batch.document_starts = {0, batch.size()};
  for (std::int32_t row = 0; row < batch.size(); ++row) {
    batch.positions.push_back(row);
    if (row % stride == 0) batch.target_rows.push_back(row);
  }
  batch.targets.assign(batch.target_rows.size(), 0);
  std::vector<float> all;
  const auto vocab = static_cast<std::size_t>(decoder.config().vocab_size);
  decoder.logits(batch,
                 [&](std::int64_t, const float* row) { all.insert(all.end(), row, row + vocab); });
  return all;
}

struct LogitsCase {
  const char* model;
  WeightOptions options;
  const char* name;
};

class LogitsParity : public testing::TestWithParam<LogitsCase> {};

TEST_P(LogitsParity, EqualsTransformers) {
  const GoldenTensors goldens("logits.safetensors");
  const std::string model = GetParam().model;
  Decoder decoder = open_decoder(model, "", GetParam().options);
  for (const auto& [length, stride] :
       {std::pair{"1", 1}, std::pair{"7", 1}, std::pair{"300", 12}}) {
    const auto ids = goldens.get<std::int64_t>(model + ".ids_" + length);
    const auto expected = goldens.get<float>(model + ".logits_" + length);
    EXPECT_LE(relative_error(logits(decoder, ids, stride), expected), kTolerance)
        << length << " tokens";
  }
}

// tiny-nf4 holds what bitsandbytes made of tiny-llama: its weights are taken as they are, and
// quantising tiny-llama ourselves must give the same logits.
INSTANTIATE_TEST_SUITE_P(
    Models, LogitsParity,
    testing::Values(LogitsCase{"tiny-llama", {}, "Sharded"},
                    LogitsCase{"tiny-tied", {}, "TiedOddHeadsLlama3Rope"},
                    LogitsCase{"tiny-nf4", {.method = Method::kQlora}, "StoredAsNf4"},
                    LogitsCase{"tiny-nf4",
                               {.method = Method::kQlora, .cache = WeightCache::kDequantizeOnUse},
                               "StoredAsNf4OnUse"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(LogitsParity, OfOurOwnQuantisationEqualThoseOfBitsandbytes) {
  const GoldenTensors goldens("logits.safetensors");
  Decoder decoder = open_decoder("tiny-llama", "", {.method = Method::kQlora});
  const auto ids = goldens.get<std::int64_t>("tiny-nf4.ids_7");
  EXPECT_LE(relative_error(logits(decoder, ids, 1), goldens.get<float>("tiny-nf4.logits_7")),
            kTolerance);
}

TEST(AdapterParity, LogitsEqualThoseOfPeft) {
  const GoldenTensors goldens("adapter_logits.safetensors");
  Decoder decoder = open_decoder("tiny-llama", "lora-adapter", {});
  const auto ids = goldens.get<std::int64_t>("ids");
  EXPECT_LE(relative_error(logits(decoder, ids, 1), goldens.get<float>("logits")), kTolerance);
}

// The measure itself must be able to say no.
TEST(AdapterParity, LogitsWithoutTheAdapterDiffer) {
  const GoldenTensors goldens("adapter_logits.safetensors");
  Decoder decoder = open_decoder("tiny-llama", "", {});
  const auto ids = goldens.get<std::int64_t>("ids");
  EXPECT_GT(relative_error(logits(decoder, ids, 1), goldens.get<float>("logits")), 0.05);
}

}  // namespace
}  // namespace tunesmith::engine
