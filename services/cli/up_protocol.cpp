#include "cli/up_protocol.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

namespace tunesmith::cli {
namespace {

// The outcome a line tells, if it tells one.
std::optional<Result<void>> read_line(const std::string& line,
                                      const std::function<void(const std::string&)>& on_ready) {
  if (line.starts_with("ready ")) on_ready(line.substr(6));
  if (line == "up") return Result<void>{};
  if (line.starts_with("failed ")) return permanent("StackNotStarted", line.substr(7));
  return std::nullopt;
}

}  // namespace

void UpReporter::done() {
  line("up");
  finish();
}

void UpReporter::failed(const std::string& message) {
  line("failed " + message);
  finish();
}

void UpReporter::line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  text += '\n';
  if (fd_ >= 0 && ::write(fd_, text.data(), text.size()) < 0) finish();
}

void UpReporter::finish() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<void> follow_start(int fd, std::chrono::milliseconds limit,
                          const std::function<void(const std::string& name)>& on_ready) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::string text;
  while (true) {
    for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos;) {
      const auto outcome = read_line(text.substr(0, end), on_ready);
      if (outcome) return *outcome;
      text.erase(0, end + 1);
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd watched{fd, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&watched, 1, static_cast<int>(left.count())) == 0) {
      return transient("StartTimedOut", "the supervisor did not finish the start within " +
                                            std::to_string(limit.count() / 1000) + " s");
    }
    std::array<char, 4096> buffer{};
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n == 0) return permanent("StackNotStarted", "the supervisor ended unexpectedly");
    if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace tunesmith::cli
