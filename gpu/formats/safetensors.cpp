#include "formats/safetensors.h"

namespace tunesmith::engine {

std::int64_t TensorView::element_count() const {
  std::int64_t count = 1;
  for (std::int64_t extent : shape) count *= extent;
  return count;
}

}  // namespace tunesmith::engine
