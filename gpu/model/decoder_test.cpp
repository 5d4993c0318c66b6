// The decoder's promises on a small random model: right gradients, independent documents, numbers
// that do not depend on how the work is arranged.
#include "model/decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "formats/test_folder.h"
#include "model/tiny_model.h"

namespace tunesmith::engine {
namespace {

using testing::batch_of;
using testing::load_tiny_model;
using testing::random_document;
using testing::tiny_adapter;

class DecoderTest : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_tiny_model(folder_.path()); }
  Decoder load(AdapterConfig adapter = tiny_adapter(), WeightOptions options = {}) {
    return load_tiny_model(folder_.path(), std::move(adapter), options);
  }
  TestFolder folder_;
};

double norm(const std::vector<float>& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(a[i] - b[i], 2);
  return std::sqrt(sum);
}

std::vector<float> gradient_of(Decoder& decoder, const Batch& batch, TrainOptions options = {}) {
  std::ranges::fill(decoder.lora().gradients, 0.0F);
  decoder.train(batch, options);
  return decoder.lora().gradients;
}

double loss_at(Decoder& decoder, const std::vector<float>& parameters, const Batch& batch) {
  decoder.lora().parameters = parameters;
  decoder.adapter_changed();
  return decoder.evaluate(batch).loss;
}

// Along the gradient itself and along random directions, per adapted module.
TEST_F(DecoderTest, GradientIsTheSlopeOfTheLoss) {
  Decoder decoder = load();
  const Batch batch = batch_of({random_document(13, 1), random_document(61, 2)});
  const std::vector<float> gradient = gradient_of(decoder, batch);
  const std::vector<float> start = decoder.lora().parameters;
  Rng rng(9, RngStream::kSampling);
  for (const LoraSlot& slot : decoder.lora().slots) {
    const std::int64_t r = decoder.lora().config.r;
    for (const auto& [begin, size] : {std::pair{slot.a_begin, r * slot.module.in_features},
                                      std::pair{slot.b_begin, r * slot.module.out_features}}) {
      constexpr double kStep = 4e-3;
      std::vector<float> plus = start;
      std::vector<float> minus = start;
      double expected = 0;
      for (std::int64_t i = begin; i < begin + size; ++i) {
        const double direction = rng.uniform() < 0.5 ? -1 : 1;
        plus[i] += static_cast<float>(kStep * direction);
        minus[i] -= static_cast<float>(kStep * direction);
        expected += gradient[i] * direction;
      }
      const double slope =
          (loss_at(decoder, plus, batch) - loss_at(decoder, minus, batch)) / (2 * kStep);
      const double scale = norm({gradient.begin() + begin, gradient.begin() + begin + size});
      ASSERT_GT(scale, 0);
      EXPECT_NEAR(slope, expected, 0.02 * scale + 1e-3 * std::abs(expected))
          << slot.module.path << (begin == slot.a_begin ? " A" : " B");
    }
  }
}

TEST_F(DecoderTest, TrainAndEvaluateGiveTheSameLoss) {
  Decoder decoder = load();
  const Batch batch = batch_of({random_document(40, 1)});
  const LossSum trained = decoder.train(batch, {});
  const LossSum evaluated = decoder.evaluate(batch);
  EXPECT_EQ(trained.targets, 20);
  EXPECT_EQ(evaluated.targets, 20);
  EXPECT_EQ(trained.loss, evaluated.loss);
}

TEST_F(DecoderTest, DocumentsDoNotSeeEachOther) {
  Decoder decoder = load();
  const PackedSequence first = random_document(33, 1);
  const PackedSequence second = random_document(57, 2);
  PackedSequence packed = first;
  packed.document_starts = {0, 33};
  packed.tokens.insert(packed.tokens.end(), second.tokens.begin(), second.tokens.end());
  packed.is_target.insert(packed.is_target.end(), second.is_target.begin(), second.is_target.end());
  const auto alone =
      decoder.evaluate(batch_of({first})).loss + decoder.evaluate(batch_of({second})).loss;
  EXPECT_NEAR(decoder.evaluate(batch_of({packed})).loss, alone, 1e-5 * alone);

  std::vector<float> sum = gradient_of(decoder, batch_of({first}));
  const std::vector<float> other = gradient_of(decoder, batch_of({second}));
  std::ranges::transform(sum, other, sum.begin(), std::plus{});
  EXPECT_LT(distance(gradient_of(decoder, batch_of({packed})), sum), 1e-5 * norm(sum));

  // Changing the first document's tokens changes nothing for the second one's targets.
  PackedSequence changed = packed;
  std::ranges::fill(changed.is_target.begin(), changed.is_target.begin() + 33, 0);
  const double before = decoder.evaluate(batch_of({changed})).loss;
  std::ranges::fill(changed.tokens.begin(), changed.tokens.begin() + 33, 5);
  EXPECT_EQ(decoder.evaluate(batch_of({changed})).loss, before);
}

TEST_F(DecoderTest, GradientsAccumulateOverPasses) {
  Decoder decoder = load();
  const Batch first = batch_of({random_document(20, 1)});
  const Batch second = batch_of({random_document(50, 2)});
  const std::vector<float> together =
      gradient_of(decoder, batch_of({random_document(20, 1), random_document(50, 2)}));
  std::ranges::fill(decoder.lora().gradients, 0.0F);
  decoder.train(first, {});
  decoder.train(second, {});
  EXPECT_LT(distance(decoder.lora().gradients, together), 1e-5 * norm(together));
}

TEST_F(DecoderTest, RecomputingChangesNoBit) {
  AdapterConfig adapter = tiny_adapter();
  adapter.lora_dropout = 0.2;
  Decoder decoder = load(adapter);
  const Batch batch = batch_of({random_document(30, 1), random_document(25, 2)});
  EXPECT_EQ(gradient_of(decoder, batch, {.dropout_seed = 3}),
            gradient_of(decoder, batch, {.dropout_seed = 3, .recompute = true}));
}

TEST_F(DecoderTest, DropoutActsInTrainingAlone) {
  AdapterConfig adapter = tiny_adapter();
  adapter.lora_dropout = 0.5;
  Decoder decoder = load(adapter);
  Decoder plain = load();
  const Batch batch = batch_of({random_document(30, 1)});
  EXPECT_EQ(decoder.evaluate(batch).loss, plain.evaluate(batch).loss);
  const double one = decoder.train(batch, {.dropout_seed = 1}).loss;
  EXPECT_EQ(decoder.train(batch, {.dropout_seed = 1}).loss, one);
  EXPECT_NE(decoder.train(batch, {.dropout_seed = 1000}).loss, one);
}

// The mask is fixed by the seed, so the loss under it has a slope too.
TEST_F(DecoderTest, GradientUnderDropoutIsTheSlopeOfTheLoss) {
  AdapterConfig adapter = tiny_adapter();
  adapter.lora_dropout = 0.3;
  Decoder decoder = load(adapter);
  const Batch batch = batch_of({random_document(50, 1)});
  const std::vector<float> gradient = gradient_of(decoder, batch, {.dropout_seed = 8});
  const std::vector<float> start = decoder.lora().parameters;
  const double step = 1e-2 / norm(gradient);
  double loss[2];
  for (const int side : {0, 1}) {
    for (std::size_t i = 0; i < start.size(); ++i) {
      const double move = (side == 0 ? 1 : -1) * step * gradient[i];
      decoder.lora().parameters[i] = start[i] + static_cast<float>(move);
    }
    decoder.adapter_changed();
    loss[side] = decoder.train(batch, {.dropout_seed = 8}).loss;
  }
  const double squared = norm(gradient) * norm(gradient);
  EXPECT_NEAR((loss[0] - loss[1]) / (2 * step), squared, 0.01 * squared);
}

TEST_F(DecoderTest, DequantisingOnUseChangesNoBit) {
  const Batch batch = batch_of({random_document(40, 1)});
  for (const Elem elem : {Elem::kF32, Elem::kBf16}) {
    WeightOptions options{.method = Method::kQlora, .elem = elem, .cache = WeightCache::kKeep};
    Decoder kept = load(tiny_adapter(), options);
    options.cache = WeightCache::kDequantizeOnUse;
    Decoder on_use = load(tiny_adapter(), options);
    EXPECT_EQ(gradient_of(kept, batch), gradient_of(on_use, batch));
    EXPECT_EQ(kept.evaluate(batch).loss, on_use.evaluate(batch).loss);
  }
}

TEST_F(DecoderTest, Bf16IsNearFp32) {
  Decoder exact = load();
  Decoder rounded = load(tiny_adapter(), {.elem = Elem::kBf16});
  const Batch batch = batch_of({random_document(60, 1), random_document(30, 2)});
  const double loss = exact.evaluate(batch).loss;
  EXPECT_NEAR(rounded.evaluate(batch).loss, loss, 0.01 * loss);
  const std::vector<float> gradient = gradient_of(exact, batch);
  EXPECT_LT(distance(gradient_of(rounded, batch), gradient), 0.05 * norm(gradient));
}

TEST_F(DecoderTest, OnlyChosenModulesAreAdapted) {
  AdapterConfig adapter = tiny_adapter();
  adapter.target_modules = {"q_proj", "v_proj"};
  Decoder decoder = load(adapter);
  ASSERT_EQ(decoder.lora().slots.size(), 4U);
  Decoder whole = load();
  const Batch batch = batch_of({random_document(40, 1)});
  // The same values in the same modules, zeros elsewhere: the same function.
  std::ranges::fill(whole.lora().parameters, 0.0F);
  for (const LoraSlot& slot : decoder.lora().slots) {
    for (const LoraSlot& other : whole.lora().slots) {
      if (other.module.path != slot.module.path) continue;
      const auto* from = decoder.lora().parameters.data();
      std::copy_n(from + slot.a_begin, 4 * slot.module.in_features,
                  whole.lora().parameters.begin() + other.a_begin);
      std::copy_n(from + slot.b_begin, 4 * slot.module.out_features,
                  whole.lora().parameters.begin() + other.b_begin);
    }
  }
  whole.adapter_changed();
  const double loss = decoder.evaluate(batch).loss;
  EXPECT_NEAR(whole.evaluate(batch).loss, loss, 1e-5 * loss);
}

TEST_F(DecoderTest, UnknownTargetModuleIsRefused) {
  AdapterConfig adapter = tiny_adapter();
  adapter.target_modules = {"query"};
  const auto made = make_lora(read_model_config(folder_.path()).value(), adapter);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().reason, "NoSuchModule");
}

TEST_F(DecoderTest, AdapterGoesOutAndInUnchanged) {
  Decoder decoder = load();
  Decoder other = load();
  std::ranges::fill(other.lora().parameters, 0.0F);
  ASSERT_TRUE(copy_from_adapter(other.lora(), to_adapter(decoder.lora())));
  EXPECT_EQ(other.lora().parameters, decoder.lora().parameters);
  AdapterConfig wider = tiny_adapter();
  wider.r = 8;
  EXPECT_EQ(copy_from_adapter(load(wider).lora(), to_adapter(decoder.lora())).error().reason,
            "AdapterMismatch");
}

TEST_F(DecoderTest, MissingOrMisshapenTensorIsNamed) {
  const Lora none;
  ModelConfig config = read_model_config(folder_.path()).value();
  const Kernels& kernels = kernels_for(Isa::kGeneric, Elem::kF32);
  config.num_hidden_layers = 3;
  const auto missing = Weights::load(folder_.path(), {}, kernels, none, config);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("model.layers.2."), std::string::npos);
  config.num_hidden_layers = 2;
  config.vocab_size = 98;
  const auto misshapen = Weights::load(folder_.path(), {}, kernels, none, config);
  ASSERT_FALSE(misshapen);
  EXPECT_EQ(misshapen.error().reason, "ModelTensorMismatch");
}

}  // namespace
}  // namespace tunesmith::engine
