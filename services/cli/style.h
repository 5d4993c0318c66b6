// Colours of a terminal. Off, every text stays as it is.
#pragma once

#include <cstddef>
#include <string>

namespace tunesmith::cli {

class Style {
 public:
  explicit Style(bool colours) : colours_(colours) {}
  // On when the file descriptor is a terminal that is not dumb and NO_COLOR is not set
  // (no-color.org).
  static Style of(int file_descriptor);

  bool colours() const { return colours_; }
  std::string good(const std::string& text) const { return in("32", text); }
  std::string bad(const std::string& text) const { return in("31", text); }
  std::string warn(const std::string& text) const { return in("33", text); }
  std::string dim(const std::string& text) const { return in("2", text); }
  std::string bold(const std::string& text) const { return in("1", text); }
  // By a Workspace's state or a stage's word.
  std::string state(const std::string& text) const;

 private:
  std::string in(const char* code, const std::string& text) const {
    if (!colours_ || text.empty()) return text;
    return std::string("\x1b[") + code + "m" + text + "\x1b[0m";
  }
  bool colours_;
};

// Columns of the terminal that standard output is, or what COLUMNS says; 80 elsewhere.
std::size_t terminal_width();

}  // namespace tunesmith::cli
