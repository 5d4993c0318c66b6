#include "formats/convert.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

namespace tunesmith::engine {

float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = bits >> 10 & 0x1FU;
  const std::uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | mantissa << 13);
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

Result<std::vector<float>> to_fp32(const TensorView& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.element_count()));
  if (tensor.dtype == DType::kF32) {
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
  }
  if (tensor.dtype != DType::kF16 && tensor.dtype != DType::kBF16) {
    return permanent("ModelNotSupported",
                     fmt::format("tensor '{}' is {}, expected F32, F16 or BF16", tensor.name,
                                 dtype_name(tensor.dtype)));
  }
  const bool is_half = tensor.dtype == DType::kF16;
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, tensor.bytes.data() + 2 * i, sizeof bits);
    values[i] = is_half ? half_to_float(bits)
                        : std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  return values;
}

}  // namespace tunesmith::engine
