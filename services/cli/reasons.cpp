#include "cli/reasons.h"

#include <sstream>
#include <vector>

namespace tunesmith::cli {

extern const char* const kEmbeddedReasons;  // made from docs/reasons.md at build

namespace {

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

// The cells of a row of a Markdown table.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  for (std::size_t begin = 1; begin < line.size();) {
    const std::size_t end = std::min(line.find('|', begin), line.size());
    cells.push_back(trimmed(line.substr(begin, end - begin)));
    begin = end + 1;
  }
  return cells;
}

}  // namespace

std::optional<ReasonText> reason_in(const std::string& table, const std::string& reason) {
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| " + reason + " |")) continue;
    const auto cells = cells_of(line);
    if (cells.size() >= 5) return ReasonText{cells[3], cells[4]};
  }
  return std::nullopt;
}

std::optional<ReasonText> reason_text(const std::string& reason) {
  return reason_in(kEmbeddedReasons, reason);
}

}  // namespace tunesmith::cli
