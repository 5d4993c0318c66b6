#include "quant/nf4.h"

namespace tunesmith::engine {

std::int64_t Nf4Tensor::size_bytes() const {
  return static_cast<std::int64_t>(packed.size() + absmax_codes.size() +
                                   sizeof(float) * (absmax.size() + nested_absmax.size()));
}

}  // namespace tunesmith::engine
