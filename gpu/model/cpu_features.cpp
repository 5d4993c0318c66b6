#include "model/cpu_features.h"

#include <cpuid.h>

namespace tunesmith::engine {
namespace {

// How much of the CPU a word of ONEDNN_MAX_CPU_ISA leaves.
enum class Limit { kSse, kAvx2, kAvx512, kAvx512Bf16, kAll };

Limit limit_of(std::string_view max_isa) {
  if (max_isa == "SSE41" || max_isa == "AVX") return Limit::kSse;
  if (max_isa.starts_with("AVX2")) return Limit::kAvx2;
  if (max_isa == "AVX512_CORE" || max_isa == "AVX512_CORE_VNNI") return Limit::kAvx512;
  if (max_isa == "AVX512_CORE_BF16" || max_isa == "AVX512_CORE_FP16") return Limit::kAvx512Bf16;
  return Limit::kAll;
}

bool cpuid_bit(unsigned leaf, unsigned subleaf, unsigned reg, unsigned bit) {
  unsigned regs[4] = {};
  if (__get_cpuid_count(leaf, subleaf, &regs[0], &regs[1], &regs[2], &regs[3]) == 0) return false;
  return ((regs[reg] >> bit) & 1U) != 0;
}

}  // namespace

CpuFeatures detect_cpu_features(std::string_view max_isa) {
  __builtin_cpu_init();
  const Limit limit = limit_of(max_isa);
  CpuFeatures features;
  features.amd = __builtin_cpu_is("amd") != 0;
  features.avx2 = limit >= Limit::kAvx2 && __builtin_cpu_supports("avx2") != 0 &&
                  __builtin_cpu_supports("fma") != 0;
  features.avx512 =
      features.avx2 && limit >= Limit::kAvx512 && __builtin_cpu_supports("avx512f") != 0 &&
      __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
      __builtin_cpu_supports("avx512vl") != 0;
  constexpr unsigned kEax = 0;
  constexpr unsigned kEdx = 3;
  features.avx512_bf16 = features.avx512 && limit >= Limit::kAvx512Bf16 && cpuid_bit(7, 1, kEax, 5);
  features.amx_bf16 = features.avx512_bf16 && limit >= Limit::kAll && cpuid_bit(7, 0, kEdx, 22);
  return features;
}

Isa best_isa(const CpuFeatures& features) {
  if (features.avx512) return Isa::kAvx512;
  return features.avx2 ? Isa::kAvx2 : Isa::kGeneric;
}

Elem choose_compute(Compute wanted, const CpuFeatures& features) {
  if (wanted == Compute::kFp32) return Elem::kF32;
  if (wanted == Compute::kBf16) return Elem::kBf16;
  const bool bf16_pays = features.amx_bf16 || (features.amd && features.avx512_bf16);
  return bf16_pays ? Elem::kBf16 : Elem::kF32;
}

std::string_view compute_name(Elem elem) { return elem == Elem::kF32 ? "fp32" : "bf16"; }

}  // namespace tunesmith::engine
