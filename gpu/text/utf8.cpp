#include "text/utf8.h"

#include <cstdint>
#include <cstring>

namespace tunesmith::engine {
namespace {

bool is_continuation(unsigned char byte) { return (byte & 0xC0U) == 0x80U; }

// Length of the valid character at text[i], 0 when there is none (RFC 3629, section 4).
std::size_t character_size(std::string_view text, std::size_t i) {
  const auto at = [&](std::size_t k) {
    return k < text.size() ? static_cast<unsigned char>(text[k]) : static_cast<unsigned char>(0);
  };
  const unsigned char a = at(i);
  const unsigned char b = at(i + 1);
  if (a < 0x80) return 1;
  if (a < 0xC2) return 0;
  if (a < 0xE0) return is_continuation(b) ? 2 : 0;
  if (a < 0xF0) {
    if (!is_continuation(b) || !is_continuation(at(i + 2))) return 0;
    const bool overlong = a == 0xE0 && b < 0xA0;
    const bool surrogate = a == 0xED && b >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (a > 0xF4 || !is_continuation(b) || !is_continuation(at(i + 2)) || !is_continuation(at(i + 3)))
    return 0;
  const bool overlong = a == 0xF0 && b < 0x90;
  const bool too_high = a == 0xF4 && b >= 0x90;
  return overlong || too_high ? 0 : 4;
}

}  // namespace

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    std::uint64_t word = 0;
    if (i + sizeof word <= text.size()) {
      std::memcpy(&word, text.data() + i, sizeof word);
      if ((word & 0x8080808080808080ULL) == 0) {
        i += sizeof word;
        continue;
      }
    }
    const std::size_t size = character_size(text, i);
    if (size == 0) return false;
    i += size;
  }
  return true;
}

std::string_view utf8_prefix(std::string_view text, std::size_t max_size) {
  if (text.size() <= max_size) return text;
  std::size_t size = max_size;
  while (size > 0 && is_continuation(static_cast<unsigned char>(text[size]))) --size;
  return text.substr(0, size);
}

}  // namespace tunesmith::engine
