#include "quant/nf4_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "formats/test_folder.h"

namespace tunesmith::engine {
namespace {

using testing::HasSubstr;

std::vector<float> ramp(int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(static_cast<float>(i - count / 3));
  return values;
}

// A model folder that holds one quantised weight "w", its state's views changed by `damage` first.
Result<Nf4Tensor> round_trip(bool nested,
                             const std::function<void(std::vector<TensorView>&)>& damage = {}) {
  const TestFolder folder;
  const Nf4Tensor tensor = quantize_nf4(ramp(6 * 32), 6, 32, nested);
  const Nf4State state("w", tensor, DType::kBF16);
  std::vector<TensorView> views = state.views();
  if (damage) damage(views);
  EXPECT_TRUE(write_safetensors(folder / "model.safetensors", views));
  return read_nf4_state(ModelWeights::open(folder.path()).value(), "w");
}

TensorView& named(std::vector<TensorView>& views, const std::string& name) {
  return *std::find_if(views.begin(), views.end(),
                       [&](const TensorView& view) { return view.name == name; });
}

void replace_json(std::vector<TensorView>& views, const std::string& text) {
  TensorView& view = named(views, "w.quant_state.bitsandbytes__nf4");
  view.bytes = std::as_bytes(std::span(text));
  view.shape = {static_cast<std::int64_t>(text.size())};
}

TEST(Nf4State, WhatIsWrittenIsRead) {
  for (const bool nested : {false, true}) {
    const auto tensor = round_trip(nested);
    ASSERT_TRUE(tensor) << tensor.error().message;
    const Nf4Tensor expected = quantize_nf4(ramp(6 * 32), 6, 32, nested);
    EXPECT_EQ(tensor->rows, 6);
    EXPECT_EQ(tensor->cols, 32);
    EXPECT_EQ(tensor->packed, expected.packed);
    EXPECT_EQ(tensor->absmax, expected.absmax);
    EXPECT_EQ(tensor->absmax_codes, expected.absmax_codes);
    EXPECT_EQ(tensor->nested_absmax, expected.nested_absmax);
    EXPECT_EQ(tensor->nested_offset, expected.nested_offset);
  }
}

TEST(Nf4State, OtherSchemesAreRefused) {
  const std::string other_block =
      R"({"quant_type":"nf4","blocksize":128,"dtype":"float32","shape":[6,32]})";
  const auto blocks = round_trip(false, [&](auto& views) { replace_json(views, other_block); });
  ASSERT_FALSE(blocks);
  EXPECT_EQ(blocks.error().reason, "ModelNotSupported");
  EXPECT_THAT(blocks.error().message, HasSubstr("128"));

  const std::vector<float> other_table(16, 0.5F);
  const auto table = round_trip(false, [&](auto& views) {
    named(views, "w.quant_map").bytes = std::as_bytes(std::span(other_table));
  });
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().reason, "ModelNotSupported");
}

TEST(Nf4State, DamagedStatesAreInvalid) {
  for (const std::string text :
       {"", "7", R"({"quant_type":"fp4","blocksize":64,"shape":[6,32]})",
        R"({"quant_type":"nf4","blocksize":64})",
        R"({"quant_type":"nf4","blocksize":64,"shape":[6,-32]})",
        R"({"quant_type":"nf4","blocksize":64,"shape":[6,64]})",
        R"({"quant_type":"nf4","blocksize":64,"shape":[9e18,9e18]})",
        R"({"quant_type":"nf4","blocksize":64,"shape":[2147483648,2147483648]})",
        R"({"quant_type":"nf4","blocksize":64,"shape":[6,32],"nested_blocksize":256})"}) {
    const auto tensor = round_trip(false, [&](auto& views) { replace_json(views, text); });
    ASSERT_FALSE(tensor) << text;
    EXPECT_EQ(tensor.error().reason, "ModelFileInvalid") << text;
  }
}

TEST(Nf4State, MissingPartsAreNamed) {
  const auto tensor = round_trip(true, [](auto& views) {
    std::erase_if(views, [](const TensorView& view) { return view.name == "w.nested_absmax"; });
  });
  ASSERT_FALSE(tensor);
  EXPECT_EQ(tensor.error().reason, "ModelTensorMissing");
  EXPECT_THAT(tensor.error().message, HasSubstr("w.nested_absmax"));
}

}  // namespace
}  // namespace tunesmith::engine
