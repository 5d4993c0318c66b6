// What the CPU can do, and what follows from it.
#pragma once

#include <string_view>

#include "formats/job.h"
#include "model/matrix.h"

namespace tunesmith::engine {

// Instruction set of our own kernels.
enum class Isa { kGeneric, kAvx2, kAvx512 };

struct CpuFeatures {
  bool avx2 = false;         // with FMA
  bool avx512 = false;       // F, BW, DQ, VL
  bool avx512_bf16 = false;  // vector products of bf16 pairs
  bool amx_bf16 = false;     // matrix unit
  bool amd = false;
};

// The CPU's features, less what `max_isa` takes away. `max_isa` is the value of oneDNN's
// ONEDNN_MAX_CPU_ISA ("AVX2", "AVX512_CORE", "AVX512_CORE_BF16", …; empty or another word = all),
// so that one variable holds our kernels and the library's down together.
CpuFeatures detect_cpu_features(std::string_view max_isa);

Isa best_isa(const CpuFeatures& features);

// bf16 where it is faster than fp32 by the CPU's design: with a matrix unit, and on AMD's AVX-512,
// which does bf16 pairs at the full rate (Intel's does not: there it is a little below fp32).
// Depends on the features alone, so that the same machine always gives the same adapter.
Elem choose_compute(Compute wanted, const CpuFeatures& features);

std::string_view compute_name(Elem elem);  // "fp32" or "bf16"

}  // namespace tunesmith::engine
