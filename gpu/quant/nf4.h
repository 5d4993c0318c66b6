// NF4: four-bit weights with one scale per 64 elements, the scales optionally quantised again to
// eight bits. Bytes and dequantised values equal those of bitsandbytes' quantize_4bit /
// dequantize_4bit (quant_type "nf4", blocksize 64). Source: Dettmers et al. 2023, "QLoRA", section
// 3; bitsandbytes functional.py and csrc/cpu_ops.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace tunesmith::engine {

inline constexpr std::int64_t kNf4Block = 64;         // elements that share one scale
inline constexpr std::int64_t kNf4NestedBlock = 256;  // scales that share one second-level scale

// A quantised [rows, cols] matrix, flattened row-major and cut into blocks of 64 (the last may be
// shorter). Value = codebook[code] * scale of its block.
struct Nf4Tensor {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<std::uint8_t> packed;  // [(rows*cols + 1) / 2]; first element in the high nibble

  std::vector<float> absmax;  // [blocks]; empty when double-quantised

  // Double quantisation: scale = dynamic_map[absmax_codes[i]] * nested_absmax[i / 256] +
  // nested_offset, rounded twice.
  std::vector<std::uint8_t> absmax_codes;  // [blocks]
  std::vector<float> nested_absmax;        // [(blocks + 255) / 256]
  float nested_offset = 0;

  std::int64_t element_count() const { return rows * cols; }
  std::int64_t block_count() const { return (element_count() + kNf4Block - 1) / kNf4Block; }
  bool double_quantized() const { return absmax.empty() && !absmax_codes.empty(); }
  std::int64_t size_bytes() const;
};

// The 16 values of the four-bit codes.
const std::array<float, 16>& nf4_codebook();
// The 256 values of the scales' eight-bit codes: bitsandbytes' create_dynamic_map(signed=True, 7,
// 8).
const std::array<float, 256>& dynamic_map();

// `weights` is row-major, rows*cols long, finite. `threads` >= 1 are started and joined here; the
// result does not depend on their number.
Nf4Tensor quantize_nf4(std::span<const float> weights, std::int64_t rows, std::int64_t cols,
                       bool double_quantization, int threads = 1);

// Scales of blocks [first_block, first_block + out.size()).
void dequantize_scales(const Nf4Tensor& tensor, std::int64_t first_block, std::span<float> out);

// The whole matrix, row-major, to fp32 or to bf16 bits (rounded to nearest even). `out` is
// rows*cols long. `threads` >= 1 are started and joined here.
void dequantize_nf4(const Nf4Tensor& tensor, std::span<float> out, int threads = 1);
void dequantize_nf4(const Nf4Tensor& tensor, std::span<std::uint16_t> out, int threads = 1);

// Blocks [first_block, first_block + block_count) of it on the calling thread, for callers with a
// thread pool of their own. `out` starts at the first block's first element and holds 64 *
// block_count elements (fewer if the last block is short).
void dequantize_nf4_blocks(const Nf4Tensor& tensor, std::int64_t first_block,
                           std::int64_t block_count, std::span<float> out);
void dequantize_nf4_blocks(const Nf4Tensor& tensor, std::int64_t first_block,
                           std::int64_t block_count, std::span<std::uint16_t> out);

}  // namespace tunesmith::engine
