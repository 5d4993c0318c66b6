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
    const std::size_t used = display_width(row[i]);
    if (i + 1 < row.size()) text.append(std::max(widths[i], used) + kGap - used, ' ');
  }
  text.erase(text.find_last_not_of(' ') + 1);
  text += '\n';
}

std::vector<std::size_t> widths_of(const Table& table) {
  std::vector<std::size_t> widths;
  const auto measure = [&](const std::vector<std::string>& row) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(row[i]));
    }
  };
  measure(table.header);
  for (const auto& row : table.rows) measure(row);
  return widths;
}

}  // namespace

std::string to_text(const Table& table) {
  const auto widths = widths_of(table);
  std::string text;
  if (!table.header.empty()) append_row(text, table.header, widths);
  for (const auto& row : table.rows) append_row(text, row, widths);
  return text;
}

std::string row_below(const Table& table, const std::vector<std::string>& row) {
  auto widths = widths_of(table);
  widths.resize(std::max(widths.size(), row.size()));
  std::string text;
  append_row(text, row, widths);
  return text;
}

}  // namespace tunesmith::cli
