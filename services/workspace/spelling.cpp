#include "workspace/spelling.h"

#include <algorithm>
#include <numeric>

namespace tunesmith::workspace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

std::optional<std::string> nearest(std::string_view text, const std::vector<std::string>& words) {
  constexpr std::size_t kLongestWord = 200;  // bounds the work on hostile input
  if (text.size() > kLongestWord) {
    return std::nullopt;
  }
  std::size_t best = text.size() / 2 + 1;
  std::optional<std::string> found;
  for (const auto& word : words) {
    const std::size_t distance = edit_distance(lower(text), lower(word));
    if (distance < best) {
      best = distance;
      found = word;
    }
  }
  return found;
}

std::string suggestion(std::string_view text, const std::vector<std::string>& words) {
  const auto word = nearest(text, words);
  return word ? ", did you mean '" + *word + "'?" : "";
}

}  // namespace tunesmith::workspace
