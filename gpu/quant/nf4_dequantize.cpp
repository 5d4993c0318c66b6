// NF4 -> fp32 or bf16: one fp32 product per element, then rounding to nearest even. Three kernels,
// chosen at run time.
#include <bit>

#include "quant/nf4.h"
#include "quant/nf4_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tunesmith::engine {
namespace {

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

void store(float value, float* out) { *out = value; }
void store(float value, std::uint16_t* out) { *out = to_bf16(value); }

// The plain form, and the one for a short block: `count` elements of one block.
template <typename T>
void decode_plain(const std::uint8_t* packed, float scale, std::int64_t count, T* out) {
  const auto& codebook = nf4_codebook();
  for (std::int64_t i = 0; i < count; ++i) {
    const unsigned byte = packed[i / 2];
    store(codebook[i % 2 == 0 ? byte >> 4 : byte & 15U] * scale, out + i);
  }
}

// Decodes `blocks` whole blocks.
template <typename T>
using Kernel = void (*)(const std::uint8_t* packed, const float* scales, std::int64_t blocks,
                        T* out);

template <typename T>
void decode_portable(const std::uint8_t* packed, const float* scales, std::int64_t blocks, T* out) {
  for (std::int64_t block = 0; block < blocks; ++block) {
    decode_plain(packed + block * kNf4Block / 2, scales[block], kNf4Block, out + block * kNf4Block);
  }
}

#if defined(__x86_64__)

// 8 packed bytes -> 16 codes in element order, one per byte.
inline __m128i ordered_codes(const std::uint8_t* packed) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(packed));
  const __m128i nibble = _mm_set1_epi8(15);
  const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble);
  return _mm_unpacklo_epi8(high, _mm_and_si128(bytes, nibble));
}

// GCC 12 reports the intrinsics' own undefined pass-through operand.
#pragma GCC diagnostic push
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#pragma GCC diagnostic ignored "-Wuninitialized"

__attribute__((target("avx512f"))) inline void store16(__m512 values, float* out) {
  _mm512_storeu_ps(out, values);
}

__attribute__((target("avx512f"))) inline void store16(__m512 values, std::uint16_t* out) {
  const __m512i bits = _mm512_castps_si512(values);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i bias = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
  const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, bias), 16);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_cvtepi32_epi16(rounded));
}

template <typename T>
__attribute__((target("avx512f"))) void decode_avx512(const std::uint8_t* packed,
                                                      const float* scales, std::int64_t blocks,
                                                      T* out) {
  const __m512 codebook = _mm512_loadu_ps(nf4_codebook().data());
  for (std::int64_t block = 0; block < blocks; ++block) {
    const __m512 scale = _mm512_set1_ps(scales[block]);
    for (int part = 0; part < 4; ++part, packed += 8, out += 16) {
      const __m512i codes = _mm512_cvtepu8_epi32(ordered_codes(packed));
      store16(_mm512_mul_ps(_mm512_permutexvar_ps(codes, codebook), scale), out);
    }
  }
}

#pragma GCC diagnostic pop

__attribute__((target("avx2"))) inline void store8(__m256 values, float* out) {
  _mm256_storeu_ps(out, values);
}

__attribute__((target("avx2"))) inline void store8(__m256 values, std::uint16_t* out) {
  const __m256i bits = _mm256_castps_si256(values);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i bias = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
  const __m128i low = _mm256_castsi256_si128(rounded);
  const __m128i high = _mm256_extracti128_si256(rounded, 1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_packus_epi32(low, high));
}

template <typename T>
__attribute__((target("avx2"))) void decode_avx2(const std::uint8_t* packed, const float* scales,
                                                 std::int64_t blocks, T* out) {
  const __m256 lower = _mm256_loadu_ps(nf4_codebook().data());
  const __m256 upper = _mm256_loadu_ps(nf4_codebook().data() + 8);
  const auto lookup = [&](__m128i codes_u8) __attribute__((target("avx2"))) {
    const __m256i codes = _mm256_cvtepu8_epi32(codes_u8);
    const __m256 is_upper = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28));  // bit 3 to the sign
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(lower, codes),
                            _mm256_permutevar8x32_ps(upper, codes), is_upper);
  };
  for (std::int64_t block = 0; block < blocks; ++block) {
    const __m256 scale = _mm256_set1_ps(scales[block]);
    for (int part = 0; part < 4; ++part, packed += 8, out += 16) {
      const __m128i codes = ordered_codes(packed);
      store8(_mm256_mul_ps(lookup(codes), scale), out);
      store8(_mm256_mul_ps(lookup(_mm_srli_si128(codes, 8)), scale), out + 8);
    }
  }
}

template <typename T>
Kernel<T> choose_kernel() {
  if (__builtin_cpu_supports("avx512f")) return decode_avx512<T>;
  if (__builtin_cpu_supports("avx2")) return decode_avx2<T>;
  return decode_portable<T>;
}

#else

template <typename T>
Kernel<T> choose_kernel() {
  return decode_portable<T>;
}

#endif

template <typename T>
void decode_blocks(const Nf4Tensor& tensor, std::int64_t first_block, std::int64_t block_count,
                   T* out) {
  static const Kernel<T> kKernel = choose_kernel<T>();
  constexpr std::int64_t kChunk = 64;  // scales that fit the stack and the first-level cache
  float scales[kChunk];
  for (std::int64_t done = 0; done < block_count; done += kChunk) {
    const std::int64_t block = first_block + done;
    const std::int64_t count = std::min(kChunk, block_count - done);
    dequantize_scales(tensor, block, std::span(scales, static_cast<std::size_t>(count)));
    const std::int64_t end = std::min((block + count) * kNf4Block, tensor.element_count());
    const std::int64_t full = end / kNf4Block - block;  // all, or all but a short last block
    const std::uint8_t* packed = tensor.packed.data() + block * kNf4Block / 2;
    T* target = out + done * kNf4Block;
    kKernel(packed, scales, full, target);
    if (full < count) {
      decode_plain(packed + full * kNf4Block / 2, scales[full], end % kNf4Block,
                   target + full * kNf4Block);
    }
  }
}

template <typename T>
void decode_all(const Nf4Tensor& tensor, T* out, int threads) {
  nf4::for_block_ranges(tensor.block_count(), threads, [&](std::int64_t first, std::int64_t count) {
    decode_blocks(tensor, first, count, out + first * kNf4Block);
  });
}

}  // namespace

void dequantize_scales(const Nf4Tensor& tensor, std::int64_t first_block, std::span<float> out) {
  const auto first = static_cast<std::size_t>(first_block);
  if (!tensor.double_quantized()) {
    std::copy_n(tensor.absmax.begin() + first_block, out.size(), out.begin());
    return;
  }
  const auto& map = dynamic_map();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t block = first + i;
    // Two roundings on purpose (this file is compiled without contraction into fma).
    const float centred =
        map[tensor.absmax_codes[block]] * tensor.nested_absmax[block / kNf4NestedBlock];
    out[i] = centred + tensor.nested_offset;
  }
}

void dequantize_nf4(const Nf4Tensor& tensor, std::span<float> out, int threads) {
  decode_all(tensor, out.data(), threads);
}

void dequantize_nf4(const Nf4Tensor& tensor, std::span<std::uint16_t> out, int threads) {
  decode_all(tensor, out.data(), threads);
}

void dequantize_nf4_blocks(const Nf4Tensor& tensor, std::int64_t first_block,
                           std::int64_t block_count, std::span<float> out) {
  decode_blocks(tensor, first_block, block_count, out.data());
}

void dequantize_nf4_blocks(const Nf4Tensor& tensor, std::int64_t first_block,
                           std::int64_t block_count, std::span<std::uint16_t> out) {
  decode_blocks(tensor, first_block, block_count, out.data());
}

}  // namespace tunesmith::engine
