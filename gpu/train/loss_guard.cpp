#include "train/loss_guard.h"

#include <fmt/format.h>

#include <cmath>

namespace tunesmith::engine {
namespace {

constexpr double kHigh = 2.0;
constexpr std::uint64_t kMostHighSteps = 5;

}  // namespace

Result<void> check_loss(std::uint64_t step, double loss, double grad_norm, std::int64_t vocab_size,
                        std::uint64_t& high_steps) {
  if (!std::isfinite(loss) || !std::isfinite(grad_norm)) {
    return permanent(
        "LossNotFinite",
        fmt::format("step {} gave loss {} and gradient norm {}: lower learning_rate or "
                    "max_grad_norm",
                    step, loss, grad_norm));
  }
  const double guessing = std::log(static_cast<double>(vocab_size));
  high_steps = loss > kHigh * guessing ? high_steps + 1 : 0;
  if (high_steps < kMostHighSteps) return {};
  return permanent(
      "LossExploded",
      fmt::format("step {} gave loss {:.2f}, guessing gives {:.2f}, and it was as high "
                  "in the {} steps before: lower learning_rate",
                  step, loss, guessing, kMostHighSteps - 1));
}

}  // namespace tunesmith::engine
