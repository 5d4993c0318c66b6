#include "formats/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace tunesmith::engine {
namespace {

TEST(Convert, HalfPrecisionIsExact) {
  EXPECT_EQ(half_to_float(0x3C00), 1.0F);
  EXPECT_EQ(half_to_float(0xC000), -2.0F);
  EXPECT_EQ(half_to_float(0x3555), 0.333251953125F);
  EXPECT_EQ(half_to_float(0x7BFF), 65504.0F);
  EXPECT_EQ(half_to_float(0x0001), 0x1p-24F);
  EXPECT_EQ(half_to_float(0x83FF), -0x1.FF8p-15F);
  EXPECT_TRUE(std::signbit(half_to_float(0x8000)));
  EXPECT_TRUE(std::isinf(half_to_float(0x7C00)));
  EXPECT_TRUE(std::isnan(half_to_float(0x7E00)));
}

TEST(Convert, TakesTheThreeFloatTypesAndRefusesOthers) {
  const std::vector<std::uint16_t> bits = {0x3F80,
                                           0xC000};  // 1 and -2 as bf16; 1.875 and -2 as half
  TensorView view{"w", DType::kBF16, {2}, std::as_bytes(std::span(bits))};
  EXPECT_THAT(to_fp32(view).value(), testing::ElementsAre(1.0F, -2.0F));
  view.dtype = DType::kF16;
  EXPECT_THAT(to_fp32(view).value(), testing::ElementsAre(1.875F, -2.0F));
  view.dtype = DType::kI16;
  ASSERT_FALSE(to_fp32(view));
  EXPECT_THAT(to_fp32(view).error().message, testing::HasSubstr("'w' is I16"));
}

}  // namespace
}  // namespace tunesmith::engine
