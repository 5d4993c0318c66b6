// The tables of each instruction set; their code is kernels_isa.inc, compiled once per set.
#pragma once

#include "model/kernels.h"

namespace tunesmith::engine {
namespace kernels_generic {
extern const Kernels kFp32Kernels;
extern const Kernels kBf16Kernels;
}  // namespace kernels_generic
namespace kernels_avx2 {
extern const Kernels kFp32Kernels;
extern const Kernels kBf16Kernels;
}  // namespace kernels_avx2
namespace kernels_avx512 {
extern const Kernels kFp32Kernels;
extern const Kernels kBf16Kernels;
}  // namespace kernels_avx512
}  // namespace tunesmith::engine
