#include "runtime/percent.h"

#include <cctype>
#include <charconv>

namespace tunesmith {
namespace {

// What the escape at `at` stands for.
std::optional<char> escaped_byte(std::string_view text, std::size_t at) {
  if (text.size() - at < 3) return std::nullopt;
  unsigned value = 0;
  const char* const end = text.data() + at + 3;
  if (std::from_chars(text.data() + at + 1, end, value, 16).ptr != end) return std::nullopt;
  return static_cast<char>(value);
}

}  // namespace

std::string percent_encode(std::string_view text, bool (*keeps)(unsigned char byte)) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (keeps(byte)) {
      out += c;
    } else {
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

bool is_unreserved(unsigned char byte) {
  return std::isalnum(byte) != 0 || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' ? escaped_byte(text, i) : std::nullopt;
    out += byte.value_or(text[i]);
    if (byte) i += 2;
  }
  return out;
}

std::optional<std::string> percent_decode_strictly(std::string_view text) {
  for (std::size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 1)) {
    if (!escaped_byte(text, i)) return std::nullopt;
  }
  return percent_decode(text);
}

}  // namespace tunesmith
