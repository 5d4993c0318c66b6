// Where the golden files are, and the measure by which numbers are compared with them.
#pragma once

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "formats/safetensors.h"

namespace tunesmith::engine {

// TUNESMITH_GOLDEN_DIR puts fresh ones from the live peers in the place of the committed ones.
inline std::filesystem::path golden(const std::string& name) {
  const char* fresh = std::getenv("TUNESMITH_GOLDEN_DIR");
  return (fresh != nullptr ? std::filesystem::path(fresh)
                           : std::filesystem::path(TUNESMITH_TEST_DIR) / "golden") /
         name;
}

// Tensors of one golden file, as plain vectors.
class GoldenTensors {
 public:
  explicit GoldenTensors(const std::string& name)
      : file_(SafetensorsFile::open(golden(name)).value()) {}

  const SafetensorsFile& file() const { return file_; }

  template <typename T>
  std::vector<T> get(const std::string& name) const {
    const TensorView* view = file_.find(name);
    if (view == nullptr) throw std::invalid_argument("no golden tensor " + name);
    std::vector<T> values(view->bytes.size() / sizeof(T));
    std::memcpy(values.data(), view->bytes.data(), view->bytes.size());
    return values;
  }

 private:
  SafetensorsFile file_;
};

// max |a - b| / max |b|; NaN when the lengths differ, so that no comparison with it holds.
inline double relative_error(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return NAN;
  double difference = 0;
  double largest = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (!std::isfinite(a[i])) return NAN;
    difference = std::max(difference, std::fabs(double{a[i]} - double{b[i]}));
    largest = std::max(largest, std::fabs(double{b[i]}));
  }
  return difference / largest;
}

}  // namespace tunesmith::engine
