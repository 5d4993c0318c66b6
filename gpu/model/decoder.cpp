#include "model/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "model/decoder_helpers.h"
#include "model/decoder_pass.h"
#include "model/matmul.h"
#include "model/parallel.h"

namespace tunesmith::engine {
namespace {

constexpr std::int64_t kRowGrain = 16;
// Logits at a time: enough rows to make good use of reading the head's weights once.
constexpr std::int64_t kLossChunk = 512;

}  // namespace

Decoder::Decoder(Weights weights, Lora lora)
    : weights_(std::move(weights)), lora_(std::move(lora)), arena_(std::make_unique<Arena>()) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

const GroupWeights& Decoder::group(std::int64_t layer, LinearGroup which) const {
  return weights_.layers()[static_cast<std::size_t>(layer)].groups[static_cast<std::size_t>(which)];
}

void Decoder::ensure_positions(std::int64_t count) {
  const std::int64_t half = config().head_dim / 2;
  const auto have = static_cast<std::int64_t>(cosine_.size()) / half;
  if (count <= have) return;
  const std::int64_t room = std::max(count, 2 * have);
  const std::vector<float> frequencies = rope_inverse_frequencies(config());
  cosine_.resize(static_cast<std::size_t>(room * half));
  sine_.resize(cosine_.size());
  for (std::int64_t p = have; p < room; ++p) {
    for (std::int64_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(p) * frequencies[static_cast<std::size_t>(i)];
      cosine_[static_cast<std::size_t>(p * half + i)] = std::cos(angle);
      sine_[static_cast<std::size_t>(p * half + i)] = std::sin(angle);
    }
  }
}

// Lays out the buffers that the layers share.
void Decoder::start(Pass& pass, const Batch& batch) {
  arena_->release({});
  pass.batch = &batch;
  pass.tokens = batch.size();
  const std::int64_t tokens = pass.tokens;
  const Elem type = elem();
  ensure_positions(*std::ranges::max_element(batch.positions) + std::int64_t{1});
  const auto cat = [&](LinearGroup which, bool of_output) {
    const GroupWeights& g = group(0, which);
    return arena_->matrix(tokens, (of_output ? g.out : g.in) + g.tail, type);
  };
  const GroupWeights& qkv = group(0, LinearGroup::kQkv);
  const GroupWeights& attention_out = group(0, LinearGroup::kAttentionOut);
  const GroupWeights& gate_up = group(0, LinearGroup::kGateUp);
  const GroupWeights& down = group(0, LinearGroup::kDown);
  const std::int64_t widest_tail = std::max(qkv.tail, gate_up.tail);
  pass.hidden_cat = arena_->matrix(tokens, qkv.in + widest_tail, type);
  pass.mlp_cat = cat(LinearGroup::kDown, false);
  pass.branch = arena_->matrix(tokens, qkv.in, type);
  const std::int64_t scratch =
      weights_.kernels().attention_scratch(batch.longest_document(), config().head_dim);
  for (int t = 0; t < threads(); ++t) pass.attention_scratch.push_back(arena_->floats(scratch));
  if (!pass.training()) return;

  if (pass.drops(lora_)) {
    const std::int64_t widest = std::max({qkv.in, attention_out.in, down.in});
    pass.dropped = arena_->matrix(tokens, widest, type);
    pass.d_dropped = arena_->matrix(tokens, widest, type);
  }
  pass.d_hidden_cat =
      arena_->matrix(tokens, qkv.in + std::max(attention_out.tail, down.tail), type);
  pass.d_attention_cat = cat(LinearGroup::kQkv, true);
  pass.d_mlp_cat = cat(LinearGroup::kGateUp, true);
  pass.d_hidden = arena_->matrix(tokens, qkv.in, type);
  pass.d_attended = arena_->matrix(tokens, attention_out.in, type);
  pass.d_mlp = arena_->matrix(tokens, down.in, type);
  pass.d_k = arena_->floats(tokens * config().num_attention_heads * config().head_dim);
  pass.d_v = arena_->floats(tokens * config().num_attention_heads * config().head_dim);
  std::int64_t widest = 0;
  for (const GroupWeights& g : weights_.layers()[0].groups) {
    widest = std::max({widest, g.in * g.tail, g.out * g.tail});
  }
  pass.d_weight = arena_->matrix(1, std::max<std::int64_t>(widest, 1), type);
}

Dropout Decoder::dropout_of(const Pass& pass, std::int64_t layer, LinearGroup which) const {
  const std::int64_t place = layer * kLinearGroups + static_cast<std::int64_t>(which);
  return {pass.options.dropout_seed + static_cast<std::uint64_t>(place),
          static_cast<float>(lora_.config.lora_dropout)};
}

// What the adapter multiplies: x, or x after dropout.
Matrix Decoder::adapter_input(const Pass& pass, std::int64_t layer, LinearGroup which,
                              const Matrix& x) {
  if (!pass.drops(lora_)) return x;
  const Matrix dropped = pass.dropped.col_range(0, x.cols);
  const Dropout dropout = dropout_of(pass, layer, which);
  parallel_for(pass.tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    weights_.kernels().dropout({begin, end}, x.cols, dropout, x.data, x.row_stride, dropped.data,
                               dropped.row_stride);
  });
  return dropped;
}

// out = [X | s X A'] [W | B]'; writes the tail of `in`.
void Decoder::project(const Pass& pass, std::int64_t layer, LinearGroup which, const Matrix& in,
                      const Matrix& out) {
  const GroupWeights& g = group(layer, which);
  const Matrix m = weights_.group(layer, which, lora_);
  if (g.tail > 0) {
    const Matrix x = adapter_input(pass, layer, which, in.col_range(0, g.in));
    const Matrix a = m.row_range(g.out, g.tail).col_range(0, g.in);
    matmul(x, a.transposed(), in.col_range(g.in, g.tail), lora_.scale());
  }
  matmul(in.col_range(0, g.in + g.tail), m.row_range(0, g.out).transposed(), out);
}

namespace {

// Appends the new keys and values, rows of qkv, to the sequences' caches.
void append_to_caches(const Batch& batch, const std::vector<KvCache*>& caches,
                      const ModelConfig& config, std::int64_t layer, const Matrix& qkv) {
  const std::int64_t dim = config.head_dim;
  const auto bytes = static_cast<std::size_t>(dim * elem_size(qkv.elem));
  for (std::size_t d = 0; d < caches.size(); ++d) {
    const KvCache& cache = *caches[d];
    const std::int64_t begin = batch.document_starts[d];
    const std::int64_t count = batch.document_starts[d + 1] - begin;
    parallel_for(count, kRowGrain, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t r = begin + from; r < begin + to; ++r) {
        const std::int64_t place = batch.positions[static_cast<std::size_t>(r)];
        for (std::int64_t h = 0; h < config.num_key_value_heads; ++h) {
          const std::int64_t offset = (h * cache.capacity() + place) * dim * elem_size(qkv.elem);
          const std::int64_t column = (config.num_attention_heads + h) * dim;
          const Matrix row = qkv.row_range(r, 1);
          std::memcpy(static_cast<std::byte*>(cache.keys(layer)) + offset,
                      row.col_range(column, dim).data, bytes);
          std::memcpy(static_cast<std::byte*>(cache.values(layer)) + offset,
                      row.col_range(column + config.num_key_value_heads * dim, dim).data, bytes);
        }
      }
    });
  }
}

}  // namespace

void Decoder::attend(Pass& pass, std::int64_t layer, LayerState& state) {
  const ModelConfig& c = config();
  const Kernels& kernels = weights_.kernels();
  const AttentionShape shape = attention_shape(c);
  if (!pass.caches.empty()) append_to_caches(*pass.batch, pass.caches, c, layer, state.qkv);
  if (pass.kind != PassKind::kDecode) {
    const AttentionForward args{shape,
                                state.qkv.data,
                                state.qkv.row_stride,
                                state.attended.data,
                                state.attended.row_stride,
                                state.log_sum_exp,
                                pass.tokens};
    for_each_attention_item(*pass.batch, c.num_attention_heads,
                            [&](int worker, const AttentionItem& item) {
                              kernels.attention(args, item, pass.attention_scratch[worker]);
                            });
    return;
  }
  std::vector<const void*> keys;
  std::vector<const void*> values;
  std::vector<std::int64_t> lengths;
  std::vector<std::int64_t> capacities;
  std::int64_t longest = 0;
  for (std::size_t i = 0; i < pass.caches.size(); ++i) {
    keys.push_back(pass.caches[i]->keys(layer));
    values.push_back(pass.caches[i]->values(layer));
    lengths.push_back(pass.batch->positions[i] + 1);
    capacities.push_back(pass.caches[i]->capacity());
    longest = std::max(longest, lengths.back());
  }
  const AttentionDecode args{shape,
                             state.qkv.data,
                             state.qkv.row_stride,
                             state.attended.data,
                             state.attended.row_stride,
                             keys.data(),
                             values.data(),
                             capacities.data(),
                             lengths.data()};
  parallel_for(pass.tokens * c.num_attention_heads, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scores(static_cast<std::size_t>(longest + c.head_dim));
    for (std::int64_t i = begin; i < end; ++i) {
      kernels.attention_decode(args, i / c.num_attention_heads, i % c.num_attention_heads,
                               scores.data());
    }
  });
}

// One layer: state.x = x + pending, and pass.branch is what the layer adds to state.x_mid.
void Decoder::forward_layer(Pass& pass, std::int64_t layer, LayerState& state, const float* x,
                            const Matrix* pending) {
  const ModelConfig& c = config();
  const Kernels& kernels = weights_.kernels();
  const LayerWeights& weights = weights_.layers()[static_cast<std::size_t>(layer)];
  const auto epsilon = static_cast<float>(c.rms_norm_eps);
  const std::int64_t tokens = pass.tokens;
  const auto add_and_norm = [&](const float* left, const Matrix* right, float* sum,
                                const std::vector<float>& norm, float* rstd) {
    parallel_for(tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
      kernels.add_rms_norm({begin, end}, c.hidden_size, left,
                           right != nullptr ? right->data : nullptr,
                           right != nullptr ? right->row_stride : 0, sum, norm.data(), epsilon,
                           pass.hidden_cat.data, pass.hidden_cat.row_stride, rstd);
    });
  };
  const auto keep_tail = [&](LinearGroup which, const Matrix& in) {
    const GroupWeights& g = group(layer, which);
    copy_matrix(in.col_range(g.in, g.tail), state.tails[static_cast<std::size_t>(which)]);
  };

  add_and_norm(x, pending, state.x, weights.attention_norm, state.rstd_attention);
  project(pass, layer, LinearGroup::kQkv, pass.hidden_cat, state.qkv);
  if (pass.training()) keep_tail(LinearGroup::kQkv, pass.hidden_cat);
  parallel_for(tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.rotate({begin, end}, c.num_attention_heads + c.num_key_value_heads, c.head_dim,
                   state.qkv.data, state.qkv.row_stride, pass.batch->positions.data(),
                   cosine_.data(), sine_.data(), false);
  });
  attend(pass, layer, state);
  project(pass, layer, LinearGroup::kAttentionOut, state.attended, pass.branch);

  add_and_norm(state.x, &pass.branch, state.x_mid, weights.mlp_norm, state.rstd_mlp);
  project(pass, layer, LinearGroup::kGateUp, pass.hidden_cat, state.gate_up);
  if (pass.training()) keep_tail(LinearGroup::kGateUp, pass.hidden_cat);
  parallel_for(tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels.swiglu({begin, end}, c.intermediate_size, state.gate_up.data, state.gate_up.row_stride,
                   pass.mlp_cat.data, pass.mlp_cat.row_stride);
  });
  project(pass, layer, LinearGroup::kDown, pass.mlp_cat, pass.branch);
  if (pass.training()) keep_tail(LinearGroup::kDown, pass.mlp_cat);
}

Decoder::LayerState Decoder::new_state(const Pass& pass, std::int64_t layer, float* x) {
  const ModelConfig& c = config();
  const std::int64_t tokens = pass.tokens;
  LayerState state;
  state.x = x;
  state.x_mid = arena_->floats(tokens * c.hidden_size);
  state.rstd_attention = arena_->floats(tokens);
  state.rstd_mlp = arena_->floats(tokens);
  state.log_sum_exp = arena_->floats(tokens * c.num_attention_heads);
  state.qkv = arena_->matrix(tokens, group(layer, LinearGroup::kQkv).out, elem());
  const GroupWeights& attention_out = group(layer, LinearGroup::kAttentionOut);
  state.attended = arena_->matrix(tokens, attention_out.in + attention_out.tail, elem());
  state.gate_up = arena_->matrix(tokens, group(layer, LinearGroup::kGateUp).out, elem());
  if (!pass.training()) return state;
  for (const LinearGroup which : {LinearGroup::kQkv, LinearGroup::kGateUp, LinearGroup::kDown}) {
    state.tails[static_cast<std::size_t>(which)] =
        arena_->matrix(tokens, group(layer, which).tail, elem());
  }
  return state;
}

// The residual stream's beginning: one row of the embedding per token.
float* Decoder::embed(const Pass& pass) {
  const Matrix table = weights_.embedding();
  const std::int64_t hidden = config().hidden_size;
  float* x = arena_->floats(pass.tokens * hidden);
  parallel_for(pass.tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const Matrix row = table.row_range(pass.batch->tokens[static_cast<std::size_t>(t)], 1);
      weights_.kernels().widen_rows({0, 1}, hidden, row.data, hidden, x + t * hidden, hidden);
    }
  });
  return x;
}

// All layers; nothing of them is kept. Returns the residual stream after the last one.
float* Decoder::forward_only(Pass& pass) {
  const std::int64_t hidden = config().hidden_size;
  float* x = embed(pass);
  float* sum = arena_->floats(pass.tokens * hidden);
  const Arena::Mark mark = arena_->mark();
  const Matrix* pending = nullptr;
  float* residual = x;
  for (std::int64_t layer = 0; layer < config().num_hidden_layers; ++layer) {
    arena_->release(mark);
    LayerState state = new_state(pass, layer, sum);
    forward_layer(pass, layer, state, residual, pending);
    // x_mid lies in memory that the next layer uses again: keep it where x was.
    std::memcpy(x, state.x_mid, static_cast<std::size_t>(pass.tokens * hidden) * sizeof(float));
    residual = x;
    pending = &pass.branch;
  }
  add_pending(pass, residual, sum);
  return sum;
}

// sum = x + pass.branch.
void Decoder::add_pending(const Pass& pass, const float* x, float* sum) {
  const std::int64_t hidden = config().hidden_size;
  parallel_for(pass.tokens, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(sum + begin * hidden, x + begin * hidden,
                static_cast<std::size_t>((end - begin) * hidden) * sizeof(float));
    weights_.kernels().add_rows({begin, end}, hidden, pass.branch.data, pass.branch.row_stride, sum,
                                hidden);
  });
}

LossSum Decoder::evaluate(const Batch& batch) {
  Pass pass;
  start(pass, batch);
  return head_loss(pass, forward_only(pass), nullptr);
}

// The final norm and the head, for the rows that count only, some rows at a time. With d_x not
// null, the gradient of grad_scale * loss is added to it.
LossSum Decoder::head_loss(const Pass& pass, const float* x, float* d_x) {
  const Kernels& kernels = weights_.kernels();
  const Batch& batch = *pass.batch;
  const std::int64_t hidden = config().hidden_size;
  const std::int64_t vocab = config().vocab_size;
  const auto count = static_cast<std::int64_t>(batch.targets.size());
  const std::int64_t chunk = std::min(count, kLossChunk);
  const Matrix normed = arena_->matrix(chunk, hidden, elem());
  const Matrix d_normed = arena_->matrix(chunk, hidden, elem());
  const Matrix logits = arena_->matrix(chunk, vocab, elem());
  float* rstd = arena_->floats(chunk);
  float* losses = arena_->floats(chunk);
  const float grad_scale = d_x != nullptr ? static_cast<float>(pass.options.grad_scale) : 0.0F;
  LossSum sum{0, count};
  for (std::int64_t first = 0; first < count; first += chunk) {
    const std::int64_t rows = std::min(chunk, count - first);
    const std::int32_t* index = batch.target_rows.data() + first;
    parallel_for(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
      kernels.rms_norm({begin, end}, hidden, x, index, weights_.final_norm().data(),
                       static_cast<float>(config().rms_norm_eps), normed.data, hidden, rstd);
    });
    matmul(normed.row_range(0, rows), weights_.head().transposed(), logits.row_range(0, rows));
    parallel_for(rows, 1, [&](std::int64_t begin, std::int64_t end) {
      kernels.cross_entropy({begin, end}, vocab, logits.data, batch.targets.data() + first,
                            grad_scale, losses);
    });
    for (std::int64_t r = 0; r < rows; ++r) sum.loss += losses[r];
    if (d_x == nullptr) continue;
    matmul(logits.row_range(0, rows), weights_.head(), d_normed.row_range(0, rows));
    parallel_for(rows, kRowGrain, [&](std::int64_t begin, std::int64_t end) {
      kernels.rms_norm_backward({begin, end}, hidden, x, index, rstd, weights_.final_norm().data(),
                                d_normed.data, hidden, d_x);
    });
  }
  return sum;
}

void Decoder::visit_logits(const Pass& pass, const float* x, const LogitsVisitor& visit) {
  const Kernels& kernels = weights_.kernels();
  const std::int64_t hidden = config().hidden_size;
  const std::int64_t vocab = config().vocab_size;
  const auto count = static_cast<std::int64_t>(pass.batch->target_rows.size());
  const std::int64_t chunk = std::min(count, kLossChunk);
  const Matrix normed = arena_->matrix(chunk, hidden, elem());
  const Matrix logits = arena_->matrix(chunk, vocab, elem());
  float* rstd = arena_->floats(chunk);
  std::vector<float> row(static_cast<std::size_t>(vocab));
  for (std::int64_t first = 0; first < count; first += chunk) {
    const std::int64_t rows = std::min(chunk, count - first);
    kernels.rms_norm({0, rows}, hidden, x, pass.batch->target_rows.data() + first,
                     weights_.final_norm().data(), static_cast<float>(config().rms_norm_eps),
                     normed.data, hidden, rstd);
    matmul(normed.row_range(0, rows), weights_.head().transposed(), logits.row_range(0, rows));
    for (std::int64_t r = 0; r < rows; ++r) {
      kernels.widen_rows({0, 1}, vocab, logits.row_range(r, 1).data, vocab, row.data(), vocab);
      visit(first + r, row.data());
    }
  }
}

void Decoder::logits(const Batch& batch, const LogitsVisitor& visit) {
  Pass pass;
  start(pass, batch);
  visit_logits(pass, forward_only(pass), visit);
}

void Decoder::prefill(const Batch& batch, const std::vector<KvCache*>& caches,
                      const LogitsVisitor& visit) {
  Pass pass;
  pass.kind = PassKind::kPrefill;
  pass.caches = caches;
  start(pass, batch);
  const float* x = forward_only(pass);
  for (std::size_t d = 0; d < caches.size(); ++d) {
    caches[d]->length = batch.document_starts[d + 1] - batch.document_starts[d];
  }
  visit_logits(pass, x, visit);
}

void Decoder::decode(const std::vector<std::int32_t>& tokens, const std::vector<KvCache*>& caches,
                     const LogitsVisitor& visit) {
  Batch batch;
  batch.tokens = tokens;
  batch.target_rows.resize(tokens.size());
  std::iota(batch.target_rows.begin(), batch.target_rows.end(), 0);
  batch.targets.assign(tokens.size(), 0);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    batch.positions.push_back(static_cast<std::int32_t>(caches[i]->length++));
    batch.document_starts.push_back(static_cast<std::int64_t>(i));
  }
  batch.document_starts.push_back(batch.size());
  Pass pass;
  pass.kind = PassKind::kDecode;
  pass.caches = caches;
  start(pass, batch);
  visit_logits(pass, forward_only(pass), visit);
}

}  // namespace tunesmith::engine
