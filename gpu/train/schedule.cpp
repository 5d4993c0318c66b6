#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tunesmith::engine {

std::uint64_t warmup_steps(const HyperParameters& hyper, std::uint64_t total_steps) {
  if (hyper.warmup_steps > 0) return hyper.warmup_steps;
  return static_cast<std::uint64_t>(
      std::ceil(hyper.warmup_ratio * static_cast<double>(total_steps)));
}

double learning_rate(const HyperParameters& hyper, std::uint64_t total_steps, std::uint64_t done) {
  if (hyper.lr_scheduler_type == "constant") return hyper.learning_rate;
  const auto step = static_cast<double>(done);
  const auto warmup = static_cast<double>(warmup_steps(hyper, total_steps));
  if (step < warmup) return hyper.learning_rate * step / std::max(1.0, warmup);
  if (hyper.lr_scheduler_type == "constant_with_warmup") return hyper.learning_rate;
  const double progress =
      (step - warmup) / std::max(1.0, static_cast<double>(total_steps) - warmup);
  const double factor = hyper.lr_scheduler_type == "cosine"
                            ? 0.5 * (1.0 + std::cos(std::numbers::pi * progress))
                            : 1.0 - progress;
  return hyper.learning_rate * std::max(0.0, factor);
}

}  // namespace tunesmith::engine
