// What can go wrong in the engine in normal life: a class, a stable reason and one clear sentence.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace tunesmith::engine {

// Transient may go away when tried again; permanent will fail the same way again.
enum class FailureClass { kTransient, kPermanent };

struct Failure {
  FailureClass failure_class = FailureClass::kPermanent;
  std::string reason;   // stable CamelCase word, listed in docs/reasons.md
  std::string message;  // what was expected, what was found, where, what to do
};

template <typename T>
using Result = tl::expected<T, Failure>;

inline tl::unexpected<Failure> permanent(std::string reason, std::string message) {
  return tl::unexpected(Failure{FailureClass::kPermanent, std::move(reason), std::move(message)});
}

inline tl::unexpected<Failure> transient(std::string reason, std::string message) {
  return tl::unexpected(Failure{FailureClass::kTransient, std::move(reason), std::move(message)});
}

}  // namespace tunesmith::engine
