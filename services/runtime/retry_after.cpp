// The Retry-After header of http_client.h: RFC 9110 10.2.3.
#include <algorithm>
#include <charconv>
#include <ctime>

#include "runtime/http_client.h"

namespace tunesmith {

std::optional<std::chrono::seconds> retry_after(const HttpResponse& response) {
  constexpr std::chrono::seconds kMost{600};
  const std::string text = response.header("Retry-After");
  if (text.empty()) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (end == text.data() + text.size() && error != std::errc::invalid_argument) {
    if (error == std::errc::result_out_of_range) return kMost;
    if (seconds < 0) return std::nullopt;
    return std::min(std::chrono::seconds(seconds), kMost);
  }
  // A date is compared with the server's own Date, so that its clock need not agree with ours.
  const auto read_date = [](const std::string& date) -> std::optional<std::time_t> {
    std::tm parsed{};
    const char* rest = ::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parsed);
    if (rest == nullptr || *rest != '\0') return std::nullopt;
    return ::timegm(&parsed);
  };
  const auto until = read_date(text);
  const auto now = read_date(response.header("Date"));
  if (!until || !now) return std::nullopt;
  return std::clamp(std::chrono::seconds(*until - *now), std::chrono::seconds(0), kMost);
}

}  // namespace tunesmith
