#include "formats/json_fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

namespace tunesmith::engine {
namespace {

constexpr std::size_t kShownCharacters = 80;

// Insertions, deletions and replacements that turn one into the other.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

// Unsigned value of a number or of a string of digits.
std::optional<std::uint64_t> as_unsigned(const nlohmann::json& found) {
  if (found.is_number_unsigned()) return found.get<std::uint64_t>();
  if (!found.is_string()) return std::nullopt;
  const auto& digits = found.get_ref<const std::string&>();
  std::uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, value);
  if (digits.empty() || error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

}  // namespace

FieldReader::FieldReader(const nlohmann::json& object, std::string prefix)
    : object_(object), prefix_(std::move(prefix)) {}

const nlohmann::json* FieldReader::any(const char* key, Presence presence) {
  read_.insert(key);
  const auto at = object_.find(key);
  if (at != object_.end() && !at->is_null()) return &*at;
  if (presence == Presence::kRequired) complain(fmt::format("'{}{}' is missing", prefix_, key));
  return nullptr;
}

void FieldReader::complain(std::string problem) {
  if (!problem_) problem_ = std::move(problem);
}

void FieldReader::expected(const char* key, std::string_view what, const nlohmann::json& found) {
  complain(fmt::format("'{}{}' must be {}, found {:.{}}", prefix_, key, what, found.dump(),
                       kShownCharacters));
}

void FieldReader::integer(const char* key, std::int64_t& value, std::int64_t low, std::int64_t high,
                          Presence presence) {
  const nlohmann::json* found = any(key, presence);
  if (found == nullptr) return;
  const bool fits = found->is_number_integer() &&
                    (!found->is_number_unsigned() || found->get<std::uint64_t>() <= INT64_MAX);
  const std::int64_t number = fits ? found->get<std::int64_t>() : 0;
  if (!fits || number < low || number > high) {
    return expected(key, fmt::format("a whole number from {} to {}", low, high), *found);
  }
  value = number;
}

void FieldReader::unsigned32(const char* key, std::uint32_t& value, std::uint32_t low,
                             std::uint32_t high) {
  std::int64_t number = value;
  integer(key, number, low, high);
  value = static_cast<std::uint32_t>(number);
}

void FieldReader::unsigned64(const char* key, std::uint64_t& value) {
  const nlohmann::json* found = any(key, Presence::kRequired);
  if (found == nullptr) return;
  const auto number = as_unsigned(*found);
  if (!number) return expected(key, "a whole number that is not negative", *found);
  value = *number;
}

void FieldReader::number(const char* key, double& value, NumberRange range, Presence presence) {
  const nlohmann::json* found = any(key, presence);
  if (found == nullptr) return;
  const double number = found->is_number() ? found->get<double>() : NAN;
  const bool above = range.low_included ? number >= range.low : number > range.low;
  const bool below = range.high_included ? number <= range.high : number < range.high;
  if (!above || !below) {
    return expected(key,
                    fmt::format("a number in {}{}, {}{}", range.low_included ? '[' : '(', range.low,
                                range.high, range.high_included ? ']' : ')'),
                    *found);
  }
  value = number;
}

void FieldReader::boolean(const char* key, bool& value, Presence presence) {
  const nlohmann::json* found = any(key, presence);
  if (found == nullptr) return;
  if (!found->is_boolean()) return expected(key, "true or false", *found);
  value = found->get<bool>();
}

void FieldReader::text(const char* key, std::string& value, Presence presence) {
  const nlohmann::json* found = any(key, presence);
  if (found == nullptr) return;
  if (!found->is_string()) return expected(key, "a string", *found);
  value = found->get<std::string>();
}

void FieldReader::text_list(const char* key, std::vector<std::string>& value, Presence presence) {
  const nlohmann::json* found = any(key, presence);
  if (found == nullptr) return;
  const bool strings =
      found->is_array() &&
      std::all_of(found->begin(), found->end(), [](const auto& item) { return item.is_string(); });
  if (!strings) return expected(key, "a list of strings", *found);
  value = found->get<std::vector<std::string>>();
}

void FieldReader::choice(const char* key, std::size_t& value,
                         const std::vector<std::string>& choices, Presence presence) {
  const nlohmann::json* found = any(key, presence);
  if (found == nullptr) return;
  const auto at = std::find_if(choices.begin(), choices.end(),
                               [&](const std::string& choice) { return *found == choice; });
  if (at == choices.end()) {
    return expected(key, fmt::format("one of {}", fmt::join(choices, ", ")), *found);
  }
  value = static_cast<std::size_t>(at - choices.begin());
}

void FieldReader::refuse_unknown() {
  for (const auto& [key, value] : object_.items()) {
    if (read_.contains(key)) continue;
    const auto nearest =
        std::min_element(read_.begin(), read_.end(), [&](const auto& a, const auto& b) {
          return edit_distance(key, a) < edit_distance(key, b);
        });
    return complain(fmt::format("'{}{:.{}}' is not known; the nearest known key is '{}'", prefix_,
                                key, kShownCharacters, *nearest));
  }
}

}  // namespace tunesmith::engine
