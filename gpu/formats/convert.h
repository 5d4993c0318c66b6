// Element type conversions on the CPU.
#pragma once

#include <cstdint>
#include <vector>

#include "failure.h"
#include "formats/safetensors.h"

namespace tunesmith::engine {

// IEEE half precision bits, exactly.
float half_to_float(std::uint16_t bits);

// All elements as fp32, exact for the dtypes it takes: F32, F16, BF16.
// Failure (permanent): ModelNotSupported for any other dtype, with the tensor's name.
Result<std::vector<float>> to_fp32(const TensorView& tensor);

}  // namespace tunesmith::engine
