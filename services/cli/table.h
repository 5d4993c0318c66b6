// Tables as kubectl prints them. Pure.
#pragma once

#include <string>
#include <vector>

namespace tunesmith::cli {

struct Table {
  std::vector<std::string> header;  // empty = none is printed
  std::vector<std::vector<std::string>> rows;
};

// Columns are as wide as their widest cell and three spaces apart; the last one is not padded. Line
// breaks in cells become spaces.
std::string to_text(const Table& table);

// One more row below a table that was printed before: its cells begin where the table's do, unless
// they are wider.
std::string row_below(const Table& table, const std::vector<std::string>& row);

}  // namespace tunesmith::cli
