// Lines "Name:  value" with the values below each other. Pure.
#pragma once

#include <string>

#include "cli/table.h"

namespace tunesmith::cli {

class Section {
 public:
  // With a title, the lines are indented below it.
  explicit Section(std::string title = "") : title_(std::move(title)) {}

  // What is empty is left out.
  void add(const std::string& name, const std::string& value) {
    if (value.empty()) return;
    table_.rows.push_back({(title_.empty() ? "" : "  ") + name + ":", value});
  }
  std::string text() const {
    if (table_.rows.empty()) return "";
    return (title_.empty() ? "" : title_ + ":\n") + to_text(table_);
  }

 private:
  std::string title_;
  Table table_;
};

}  // namespace tunesmith::cli
