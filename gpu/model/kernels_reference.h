// Plain versions of the kernels, in double precision, straight from the formulas. For tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace tunesmith::engine::reference {

using Values = std::vector<double>;

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

inline double rstd(const double* x, std::int64_t cols, double epsilon) {
  double sum = 0;
  for (std::int64_t c = 0; c < cols; ++c) sum += x[c] * x[c];
  return 1 / std::sqrt(sum / static_cast<double>(cols) + epsilon);
}

inline Values softmax(const Values& logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  Values p(logits.size());
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] = std::exp(logits[i] - top);
  for (double& value : p) value /= sum;
  return p;
}

// Causal attention of one head over one document; q, k, v, out are [length, dim]. Returns P.
inline std::vector<Values> attention(std::int64_t length, std::int64_t dim, const Values& q,
                                     const Values& k, const Values& v, double scale, Values& out) {
  std::vector<Values> p;
  out.assign(static_cast<std::size_t>(length * dim), 0);
  for (std::int64_t i = 0; i < length; ++i) {
    Values scores;
    for (std::int64_t j = 0; j <= i; ++j) {
      double dot = 0;
      for (std::int64_t c = 0; c < dim; ++c) dot += q[i * dim + c] * k[j * dim + c];
      scores.push_back(dot * scale);
    }
    p.push_back(softmax(scores));
    for (std::int64_t j = 0; j <= i; ++j) {
      for (std::int64_t c = 0; c < dim; ++c) out[i * dim + c] += p[i][j] * v[j * dim + c];
    }
  }
  return p;
}

// Its gradient; d_q, d_k, d_v must hold zeros.
inline void attention_backward(std::int64_t length, std::int64_t dim, const Values& q,
                               const Values& k, const Values& v, double scale, const Values& d_out,
                               Values& d_q, Values& d_k, Values& d_v) {
  Values out;
  const std::vector<Values> p = attention(length, dim, q, k, v, scale, out);
  for (std::int64_t i = 0; i < length; ++i) {
    Values dp(static_cast<std::size_t>(i + 1));
    double mean = 0;
    for (std::int64_t j = 0; j <= i; ++j) {
      for (std::int64_t c = 0; c < dim; ++c) {
        dp[j] += d_out[i * dim + c] * v[j * dim + c];
        d_v[j * dim + c] += p[i][j] * d_out[i * dim + c];
      }
      mean += p[i][j] * dp[j];
    }
    for (std::int64_t j = 0; j <= i; ++j) {
      const double ds = p[i][j] * (dp[j] - mean) * scale;
      for (std::int64_t c = 0; c < dim; ++c) {
        d_q[i * dim + c] += ds * k[j * dim + c];
        d_k[j * dim + c] += ds * q[i * dim + c];
      }
    }
  }
}

}  // namespace tunesmith::engine::reference
