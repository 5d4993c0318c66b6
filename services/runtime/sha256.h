// SHA-256 of what services name and prove things by.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/result.h"

namespace tunesmith {

// A digest over pieces, in order. One thread at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view piece);
  std::string hex();  // lower case; ends the digest: call it once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);

// Transient `FileUnreadable` when the file cannot be read to its end.
Result<std::string> sha256_of_file(const std::filesystem::path& file);

}  // namespace tunesmith
