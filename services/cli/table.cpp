#include "cli/table.h"

#include <algorithm>

#include "cli/format.h"

namespace tunesmith::cli {
namespace {

constexpr std::size_t kGap = 3;

void append_row(std::string& text, std::vector<std::string> row,
                const std::vector<std::size_t>& widths) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    std::replace(row[i].begin(), row[i].end(), '\n', ' ');
    text += row[i];
    if (i + 1 < row.size()) text.append(widths[i] + kGap - display_width(row[i]), ' ');
  }
  text.erase(text.find_last_not_of(' ') + 1);
  text += '\n';
}

}  // namespace

std::string to_text(const Table& table) {
  std::vector<std::size_t> widths;
  const auto measure = [&](const std::vector<std::string>& row) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(row[i]));
    }
  };
  measure(table.header);
  for (const auto& row : table.rows) measure(row);
  std::string text;
  if (!table.header.empty()) append_row(text, table.header, widths);
  for (const auto& row : table.rows) append_row(text, row, widths);
  return text;
}

}  // namespace tunesmith::cli
