// docs/reasons.md inside the command: what a reason means and what to do. Pure.
#pragma once

#include <optional>
#include <string>

namespace tunesmith::cli {

struct ReasonText {
  std::string meaning, what_to_do;
};

std::optional<ReasonText> reason_text(const std::string& reason);

// The same from another table, for tests.
std::optional<ReasonText> reason_in(const std::string& table, const std::string& reason);

}  // namespace tunesmith::cli
