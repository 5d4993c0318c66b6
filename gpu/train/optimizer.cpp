#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/parallel.h"

namespace tunesmith::engine {
namespace {

constexpr std::int64_t kPart = 1 << 16;

}  // namespace

double l2_norm(const Kernels& kernels, const std::vector<float>& values) {
  const auto count = static_cast<std::int64_t>(values.size());
  const std::int64_t parts = (count + kPart - 1) / kPart;
  std::vector<double> sums(static_cast<std::size_t>(parts));
  parallel_for(parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      sums[static_cast<std::size_t>(part)] = kernels.sum_of_squares(
          {part * kPart, std::min((part + 1) * kPart, count)}, values.data());
    }
  });
  return std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0));
}

void adamw_step(const Kernels& kernels, const HyperParameters& hyper, double learning_rate,
                std::uint64_t step, double grad_scale, const std::vector<float>& gradients,
                std::vector<float>& parameters, std::vector<float>& first_moment,
                std::vector<float>& second_moment) {
  const auto t = static_cast<double>(step);
  const AdamWStep args{.learning_rate = static_cast<float>(learning_rate),
                       .one_minus_beta1 = static_cast<float>(1 - hyper.adam_beta1),
                       .beta2 = static_cast<float>(hyper.adam_beta2),
                       .one_minus_beta2 = static_cast<float>(1 - hyper.adam_beta2),
                       .epsilon = static_cast<float>(hyper.adam_epsilon),
                       .weight_decay = static_cast<float>(hyper.weight_decay),
                       .bias_correction1 = static_cast<float>(1 - std::pow(hyper.adam_beta1, t)),
                       .bias_correction2 = static_cast<float>(1 - std::pow(hyper.adam_beta2, t)),
                       .grad_scale = static_cast<float>(grad_scale)};
  parallel_for(static_cast<std::int64_t>(parameters.size()), kPart,
               [&](std::int64_t begin, std::int64_t end) {
                 kernels.adamw({begin, end}, args, gradients.data(), parameters.data(),
                               first_moment.data(), second_moment.data());
               });
}

}  // namespace tunesmith::engine
