// The training pass: forward with what the way back needs, loss, and back.
#include <cstring>

#include "model/decoder.h"
#include "model/decoder_helpers.h"
#include "model/decoder_pass.h"
#include "model/matmul.h"
#include "model/parallel.h"

namespace tunesmith::engine {
namespace {

constexpr std::int64_t kRowGrain = 16;

}  // namespace

LossSum Decoder::train(const Batch& batch, const TrainOptions& options) {
  Pass pass;
  pass.kind = PassKind::kTrain;
  pass.options = options;
  start(pass, batch);
  const std::int64_t layers = config().num_hidden_layers;
  const std::int64_t size = pass.tokens * config().hidden_size;

  // Forward. A recomputing pass keeps a layer's input alone.
  std::vector<LayerState> states;
  std::vector<float*> inputs;
  for (std::int64_t layer = 0; options.recompute && layer < layers; ++layer) {
    inputs.push_back(arena_->floats(size));
  }
  const float* residual = embed(pass);
  const Matrix* pending = nullptr;
  float* x_mid = options.recompute ? arena_->floats(size) : nullptr;
  const Arena::Mark mark = arena_->mark();
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    if (options.recompute) arena_->release(mark);
    float* x = options.recompute ? inputs[static_cast<std::size_t>(layer)] : arena_->floats(size);
    LayerState state = new_state(pass, layer, x);
    forward_layer(pass, layer, state, residual, pending);
    if (options.recompute) {
      std::memcpy(x_mid, state.x_mid, static_cast<std::size_t>(size) * sizeof(float));
    } else {
      states.push_back(state);
    }
    residual = options.recompute ? x_mid : state.x_mid;
    pending = &pass.branch;
  }
  if (options.recompute) arena_->release(mark);
  float* x = arena_->floats(size);
  add_pending(pass, residual, x);

  // Loss and back.
  float* d_x = arena_->floats(size);
  std::memset(d_x, 0, static_cast<std::size_t>(size) * sizeof(float));
  const Arena::Mark before_head = arena_->mark();
  const LossSum sum = head_loss(pass, x, d_x);
  arena_->release(before_head);
  if (lora_.empty()) return sum;
  for (std::int64_t layer = layers - 1; layer >= 0; --layer) {
    if (options.recompute) {
      arena_->release(before_head);
      float* input = inputs[static_cast<std::size_t>(layer)];
      LayerState state = new_state(pass, layer, input);
      forward_layer(pass, layer, state, input, nullptr);
      backward_layer(pass, layer, state, d_x);
    } else {
      backward_layer(pass, layer, states[static_cast<std::size_t>(layer)], d_x);
    }
  }
  return sum;
}

// d_x: gradient of the layer's output on entry, of its input on return.
void Decoder::backward_layer(const Pass& pass, std::int64_t layer, const LayerState& state,
                             float* d_x) {
  backward_mlp(pass, layer, state, d_x);
  backward_attention(pass, layer, state, d_x);
}

void Decoder::backward_mlp(const Pass& pass, std::int64_t layer, const LayerState& state,
                           float* d_x) {
  const ModelConfig& c = config();
  const Kernels& kernels = weights_.kernels();
  const LayerWeights& weights = weights_.layers()[static_cast<std::size_t>(layer)];
  const Matrix& gate_up = state.gate_up;

  // Down: its input is computed again, its output's gradient is the stream's.
  parallel_for(pass.tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.swiglu({begin, end}, c.intermediate_size, gate_up.data, gate_up.row_stride,
                   pass.mlp_cat.data, pass.mlp_cat.row_stride);
    kernels.round_rows({begin, end}, c.hidden_size, d_x, c.hidden_size, pass.d_hidden_cat.data,
                       pass.d_hidden_cat.row_stride);
  });
  restore_tail(layer, LinearGroup::kDown, state, pass.mlp_cat);
  project_backward(pass, layer, LinearGroup::kDown, pass.mlp_cat, pass.d_hidden_cat, &pass.d_mlp);

  // SwiGLU, then gate and up, whose input is the norm's output, computed again.
  parallel_for(pass.tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.swiglu_backward({begin, end}, c.intermediate_size, gate_up.data, gate_up.row_stride,
                            pass.d_mlp.data, pass.d_mlp.row_stride, pass.d_mlp_cat.data,
                            pass.d_mlp_cat.row_stride);
    kernels.rms_norm({begin, end}, c.hidden_size, state.x_mid, nullptr, weights.mlp_norm.data(),
                     static_cast<float>(c.rms_norm_eps), pass.hidden_cat.data,
                     pass.hidden_cat.row_stride, state.rstd_mlp);
  });
  restore_tail(layer, LinearGroup::kGateUp, state, pass.hidden_cat);
  project_backward(pass, layer, LinearGroup::kGateUp, pass.hidden_cat, pass.d_mlp_cat,
                   &pass.d_hidden);
  parallel_for(pass.tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.rms_norm_backward({begin, end}, c.hidden_size, state.x_mid, nullptr, state.rstd_mlp,
                              weights.mlp_norm.data(), pass.d_hidden.data, pass.d_hidden.row_stride,
                              d_x);
  });
}

void Decoder::backward_attention(const Pass& pass, std::int64_t layer, const LayerState& state,
                                 float* d_x) {
  const ModelConfig& c = config();
  const Kernels& kernels = weights_.kernels();
  const LayerWeights& weights = weights_.layers()[static_cast<std::size_t>(layer)];
  const Matrix& d_qkv = pass.d_attention_cat;

  parallel_for(pass.tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.round_rows({begin, end}, c.hidden_size, d_x, c.hidden_size, pass.d_hidden_cat.data,
                       pass.d_hidden_cat.row_stride);
  });
  project_backward(pass, layer, LinearGroup::kAttentionOut, state.attended, pass.d_hidden_cat,
                   &pass.d_attended);

  const AttentionBackward args{attention_shape(c),
                               state.qkv.data,
                               state.qkv.row_stride,
                               state.attended.data,
                               state.attended.row_stride,
                               pass.d_attended.data,
                               pass.d_attended.row_stride,
                               state.log_sum_exp,
                               pass.tokens,
                               d_qkv.data,
                               d_qkv.row_stride,
                               pass.d_k,
                               pass.d_v};
  for_each_attention_item(*pass.batch, c.num_attention_heads,
                          [&](int worker, const AttentionItem& item) {
                            kernels.attention_backward(args, item, pass.attention_scratch[worker]);
                          });
  parallel_for(pass.tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.attention_sum_kv(args, {begin, end});
    kernels.rotate({begin, end}, c.num_attention_heads + c.num_key_value_heads, c.head_dim,
                   d_qkv.data, d_qkv.row_stride, pass.batch->positions.data(), cosine_.data(),
                   sine_.data(), true);
    kernels.rms_norm({begin, end}, c.hidden_size, state.x, nullptr, weights.attention_norm.data(),
                     static_cast<float>(c.rms_norm_eps), pass.hidden_cat.data,
                     pass.hidden_cat.row_stride, state.rstd_attention);
  });
  restore_tail(layer, LinearGroup::kQkv, state, pass.hidden_cat);
  // Nothing below the first layer learns.
  const bool is_first = layer == 0;
  project_backward(pass, layer, LinearGroup::kQkv, pass.hidden_cat, d_qkv,
                   is_first ? nullptr : &pass.d_hidden);
  if (is_first) return;
  parallel_for(pass.tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.rms_norm_backward({begin, end}, c.hidden_size, state.x, nullptr, state.rstd_attention,
                              weights.attention_norm.data(), pass.d_hidden.data,
                              pass.d_hidden.row_stride, d_x);
  });
}

void Decoder::restore_tail(std::int64_t layer, LinearGroup which, const LayerState& state,
                           const Matrix& in) {
  const GroupWeights& g = group(layer, which);
  copy_matrix(state.tails[static_cast<std::size_t>(which)], in.col_range(g.in, g.tail));
}

// With the tail T = s X A' beside X: dB' += T' dY, dT = s dY B, dA += dT' X, dX = [dY | dT] [W ;
// A].
void Decoder::project_backward(const Pass& pass, std::int64_t layer, LinearGroup which,
                               const Matrix& in, const Matrix& d_out, const Matrix* d_in) {
  const GroupWeights& g = group(layer, which);
  const Matrix m = weights_.group(layer, which, lora_);
  const Matrix dy = d_out.col_range(0, g.out);
  if (g.tail == 0) {
    if (d_in != nullptr) matmul(dy, m.row_range(0, g.out), *d_in);
    return;
  }
  const Matrix tail = in.col_range(g.in, g.tail);
  const Matrix d_tail = d_out.col_range(g.out, g.tail);
  matmul(dy, m.row_range(0, g.out).col_range(g.in, g.tail), d_tail, lora_.scale());
  const Matrix x = adapter_input(pass, layer, which, in.col_range(0, g.in));

  const std::int64_t r = lora_.config.r;
  float* gradients = lora_.gradients.data();
  bool first = true;
  for (const GroupWeights::Part& part : g.parts) {
    if (part.slot < 0) continue;
    const LoraSlot& slot = lora_.slots[static_cast<std::size_t>(part.slot)];
    if (first) {  // A's of one group follow each other
      accumulate(pass, d_tail.col_range(0, g.tail_used).transposed(), x, gradients + slot.a_begin);
    }
    first = false;
    accumulate(pass, tail.col_range(part.tail_begin, r).transposed(),
               dy.col_range(part.row_begin, part.module.out_features), gradients + slot.b_begin);
  }
  if (d_in == nullptr) return;
  if (!pass.drops(lora_)) {
    matmul(d_out.col_range(0, g.out + g.tail), m.col_range(0, g.in), *d_in);
    return;
  }
  matmul(dy, m.row_range(0, g.out).col_range(0, g.in), *d_in);
  const Matrix d_dropped = pass.d_dropped.col_range(0, g.in);
  matmul(d_tail, m.row_range(g.out, g.tail).col_range(0, g.in), d_dropped);
  const Dropout dropout = dropout_of(pass, layer, which);
  parallel_for(pass.tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    weights_.kernels().dropout_backward({begin, end}, g.in, dropout, d_dropped.data,
                                        d_dropped.row_stride, d_in->data, d_in->row_stride);
  });
}

// gradient += left * right, summed over micro-batches in fp32.
void Decoder::accumulate(const Pass& pass, const Matrix& left, const Matrix& right,
                         float* gradient) {
  const std::int64_t rows = left.rows;
  const std::int64_t cols = right.cols;
  if (elem() == Elem::kF32) {
    matmul(left, right, {gradient, Elem::kF32, rows, cols, cols, 1}, 1, 1);
    return;
  }
  const Matrix product{pass.d_weight.data, elem(), rows, cols, cols, 1};
  matmul(left, right, product);
  parallel_for(rows, 1, [&](std::int64_t begin, std::int64_t end) {
    weights_.kernels().add_rows({begin, end}, cols, product.data, cols, gradient, cols);
  });
}

}  // namespace tunesmith::engine
