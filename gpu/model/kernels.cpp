#include "model/kernels.h"

#include "model/kernels_isa.h"

namespace tunesmith::engine {

const Kernels& kernels_for(Isa isa, Elem elem) {
  const bool bf16 = elem == Elem::kBf16;
  switch (isa) {
    case Isa::kAvx512:
      return bf16 ? kernels_avx512::kBf16Kernels : kernels_avx512::kFp32Kernels;
    case Isa::kAvx2:
      return bf16 ? kernels_avx2::kBf16Kernels : kernels_avx2::kFp32Kernels;
    case Isa::kGeneric:
      break;
  }
  return bf16 ? kernels_generic::kBf16Kernels : kernels_generic::kFp32Kernels;
}

}  // namespace tunesmith::engine
