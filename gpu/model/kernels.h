// The decoder's own arithmetic, everything but the matrix products: one table of functions per
// instruction set and element type. Each works on rows [begin, end) (or on one item) on the calling
// thread, so that the caller decides how the work is spread; the result never depends on that.
// `void*` points to elements of the table's type, `float*` to fp32; strides are in elements.
// kernels_test.cpp holds a plain reference of each.
#pragma once

#include <cstdint>

#include "model/cpu_features.h"
#include "model/matrix.h"

namespace tunesmith::engine {

struct Rows {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

// Where attention finds its operands. A token's row in `qkv` is
// [q heads | k heads | v heads] * head_dim, q and k already rotated.
struct AttentionShape {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  float scale = 0;  // on the scores, 1 / sqrt(head_dim)
};

// One head of one document: rows [begin, begin + length) of all operands.
struct AttentionItem {
  std::int64_t head = 0;
  std::int64_t begin = 0;
  std::int64_t length = 0;
};

struct AttentionForward {
  AttentionShape shape;
  const void* qkv;
  std::int64_t qkv_stride;
  void* out;  // [tokens, heads * head_dim]
  std::int64_t out_stride;
  float* log_sum_exp;  // [heads, tokens]; needed by the backward pass
  std::int64_t tokens;
};

struct AttentionBackward {
  AttentionShape shape;
  const void* qkv;
  std::int64_t qkv_stride;
  const void* out;
  std::int64_t out_stride;
  const void* d_out;
  std::int64_t d_out_stride;
  const float* log_sum_exp;
  std::int64_t tokens;
  void* d_qkv;  // the q part is written by an item; k and v by attention_sum_kv
  std::int64_t d_qkv_stride;
  float* d_k;  // [heads, tokens, head_dim], scratch
  float* d_v;  // likewise
};

// One query per sequence against its cache.
struct AttentionDecode {
  AttentionShape shape;
  const void* qkv;  // [sequences, …], the new token's
  std::int64_t qkv_stride;
  void* out;
  std::int64_t out_stride;
  const void* const* k_cache;      // per sequence [kv_heads, its capacity, head_dim]
  const void* const* v_cache;      // likewise
  const std::int64_t* capacities;  // per sequence
  const std::int64_t* lengths;     // cached tokens, the new one included
};

struct AdamWStep {
  float learning_rate;
  float one_minus_beta1;
  float beta2;
  float one_minus_beta2;
  float epsilon;
  float weight_decay;
  float bias_correction1;  // 1 - beta1^t
  float bias_correction2;  // 1 - beta2^t
  float grad_scale;        // clipping
};

struct Dropout {
  std::uint64_t seed = 0;
  float probability = 0;
};

struct Kernels {
  // out[r, c] = in[r, c], rounded to the element type; and back.
  void (*round_rows)(Rows rows, std::int64_t cols, const float* in, std::int64_t in_stride,
                     void* out, std::int64_t out_stride);
  void (*widen_rows)(Rows rows, std::int64_t cols, const void* in, std::int64_t in_stride,
                     float* out, std::int64_t out_stride);
  // out[r, c] += in[r, c].
  void (*add_rows)(Rows rows, std::int64_t cols, const void* in, std::int64_t in_stride, float* out,
                   std::int64_t out_stride);
  // out[c, r] = in[r, c] for in's rows.
  void (*round_transposed)(Rows rows, std::int64_t cols, const float* in, std::int64_t in_stride,
                           void* out, std::int64_t out_stride);

  // out[r] = x[index[r]] / rms * weight, rstd[r] = 1 / rms; index may be null (the identity), x is
  // dense. RMSNorm of Zhang and Sennrich 2019.
  void (*rms_norm)(Rows rows, std::int64_t cols, const float* x, const std::int32_t* index,
                   const float* weight, float epsilon, void* out, std::int64_t out_stride,
                   float* rstd);
  // sum[r] = x[r] + y[r], then rms_norm of sum. y may be null: then x is normalised and copied.
  void (*add_rms_norm)(Rows rows, std::int64_t cols, const float* x, const void* y,
                       std::int64_t y_stride, float* sum, const float* weight, float epsilon,
                       void* out, std::int64_t out_stride, float* rstd);
  // d_x[index[r]] += the gradient of rms_norm's input; d_out is that of its output.
  void (*rms_norm_backward)(Rows rows, std::int64_t cols, const float* x, const std::int32_t* index,
                            const float* rstd, const float* weight, const void* d_out,
                            std::int64_t d_out_stride, float* d_x);

  // Rotates the first `heads` heads of each row in place by the angles of positions[r]; halves are
  // paired as in transformers (element i with i + head_dim/2). cosine and sine are
  // [max position, head_dim / 2].
  void (*rotate)(Rows rows, std::int64_t heads, std::int64_t head_dim, void* qkv,
                 std::int64_t stride, const std::int32_t* positions, const float* cosine,
                 const float* sine, bool inverse);

  // out = silu(gate) * up; a row of gate_up is [gate | up], each `cols` long.
  void (*swiglu)(Rows rows, std::int64_t cols, const void* gate_up, std::int64_t stride, void* out,
                 std::int64_t out_stride);
  void (*swiglu_backward)(Rows rows, std::int64_t cols, const void* gate_up, std::int64_t stride,
                          const void* d_out, std::int64_t d_out_stride, void* d_gate_up,
                          std::int64_t d_stride);

  // losses[r] = -log softmax(logits[r])[targets[r]]; logits[r] becomes the gradient of
  // grad_scale * losses[r] unless grad_scale is 0.
  void (*cross_entropy)(Rows rows, std::int64_t vocab, void* logits, const std::int32_t* targets,
                        float grad_scale, float* losses);

  // Floats of scratch for one item of `longest` tokens, for both passes.
  std::int64_t (*attention_scratch)(std::int64_t longest, std::int64_t head_dim);
  // Causal attention within one document. Dao 2023, FlashAttention-2, without the online softmax:
  // the scores of 64 queries fit the cache.
  void (*attention)(const AttentionForward& args, const AttentionItem& item, float* scratch);
  // The gradient of one item.
  void (*attention_backward)(const AttentionBackward& args, const AttentionItem& item,
                             float* scratch);
  // Sums d_k and d_v over the query heads of each group into d_qkv.
  void (*attention_sum_kv)(const AttentionBackward& args, Rows rows);
  // One (sequence, head).
  void (*attention_decode)(const AttentionDecode& args, std::int64_t sequence, std::int64_t head,
                           float* scores);

  // out = in with each element dropped with the probability, the rest scaled by 1 / (1 - p). Which
  // ones depends on the seed and the element's place alone.
  void (*dropout)(Rows rows, std::int64_t cols, const Dropout& dropout, const void* in,
                  std::int64_t in_stride, void* out, std::int64_t out_stride);
  // d_in += the gradient of dropout's input.
  void (*dropout_backward)(Rows rows, std::int64_t cols, const Dropout& dropout, const void* d_out,
                           std::int64_t d_out_stride, void* d_in, std::int64_t d_in_stride);

  // Elements [begin, end) of the sum of squares, in fp64.
  double (*sum_of_squares)(Rows range, const float* values);
  // Loshchilov and Hutter 2019, in the operations of torch.optim.AdamW.
  void (*adamw)(Rows range, const AdamWStep& step, const float* grads, float* params,
                float* first_moment, float* second_moment);
};

// The table for this instruction set (which the CPU must have) and element type.
const Kernels& kernels_for(Isa isa, Elem elem);

}  // namespace tunesmith::engine
