#include "cli/style.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

namespace tunesmith::cli {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read only
  return value == nullptr ? "" : value;
}

}  // namespace

Style Style::of(int file_descriptor) {
  return Style(::isatty(file_descriptor) == 1 && variable("NO_COLOR").empty() &&
               variable("TERM") != "dumb");
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const std::string columns = variable("COLUMNS");
  std::size_t width = 0;
  const auto read = std::from_chars(columns.data(), columns.data() + columns.size(), width);
  return read.ec == std::errc() && width >= 20 && width <= 1'000 ? width : 80;
}

std::string Style::state(const std::string& text) const {
  if (text == "Succeeded") return good(text);
  if (text == "Failed") return bad(text);
  if (text == "Waiting" || text == "Pending") return warn(text);
  return bold(text);
}

}  // namespace tunesmith::cli
