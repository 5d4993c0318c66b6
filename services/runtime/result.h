// The error doctrine in one type: what can fail in normal life returns a Result with a Failure a
// person can act on.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace tunesmith {

// Transient may go away when tried again, permanent will fail the same way again, poison cannot be
// understood.
enum class FailureClass { kTransient, kPermanent, kPoison };

struct Failure {
  FailureClass failure_class = FailureClass::kPermanent;
  std::string reason;   // stable CamelCase word, explained in docs/reasons.md
  std::string message;  // expected, found, where, what to do; no secrets, no query strings

  bool operator==(const Failure&) const = default;
};

template <typename T>
using Result = tl::expected<T, Failure>;

inline tl::unexpected<Failure> transient(std::string reason, std::string message) {
  return tl::unexpected(Failure{FailureClass::kTransient, std::move(reason), std::move(message)});
}

inline tl::unexpected<Failure> permanent(std::string reason, std::string message) {
  return tl::unexpected(Failure{FailureClass::kPermanent, std::move(reason), std::move(message)});
}

inline tl::unexpected<Failure> poison(std::string reason, std::string message) {
  return tl::unexpected(Failure{FailureClass::kPoison, std::move(reason), std::move(message)});
}

}  // namespace tunesmith
