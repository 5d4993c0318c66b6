#include "cli/yaml_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string_view>

namespace tunesmith::cli {
namespace {

using nlohmann::json;

bool is_plain_word(const std::string& text) {
  constexpr std::array<std::string_view, 12> kTaken{"null", "true", "false", "yes", "no",   "on",
                                                    "off",  "y",    "n",     "~",   ".nan", ".inf"};
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (std::find(kTaken.begin(), kTaken.end(), lower) != kTaken.end()) return false;
  if (std::isalpha(static_cast<unsigned char>(text[0])) == 0 && text[0] != '/') return false;
  if (text.back() == ' ' || text.back() == ':') return false;
  return text.find(": ") == std::string::npos && text.find(" #") == std::string::npos &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c >= 0x20 && c != 0x7F; });
}

bool is_literal_block(const std::string& text) {
  return text.find('\n') != std::string::npos && text[0] != ' ' && text[0] != '\n' &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return (c >= 0x20 && c != 0x7F) || c == '\n'; });
}

std::string literal_block(const std::string& text, std::size_t indent) {
  const bool one_end = text.back() == '\n' && (text.size() < 2 || text[text.size() - 2] != '\n');
  std::string out = one_end ? "|" : text.back() == '\n' ? "|+" : "|-";
  out += '\n';
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) out.append(indent, ' ').append(text, begin, end - begin);
    out += '\n';
    begin = end + 1;
  }
  return out;
}

// A value that follows "key:" or "-" on the same line, with its line break.
std::string scalar(const json& value, std::size_t indent) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (!text.empty() && is_literal_block(text)) return literal_block(text, indent);
    return (!text.empty() && is_plain_word(text) ? text : value.dump()) + "\n";
  }
  return value.dump() + "\n";  // numbers, true, null, [] and {} are the same in YAML
}

bool is_nested(const json& value) { return value.is_structured() && !value.empty(); }

void append(std::string& out, const json& value, std::size_t indent) {
  const auto line_start = [&] {
    if (!out.empty() && out.back() == '\n') out.append(indent, ' ');
  };
  if (value.is_array()) {
    for (const json& item : value) {
      line_start();
      out += "- ";
      if (is_nested(item)) {
        append(out, item, indent + 2);  // its first line stands behind the dash
      } else {
        out += scalar(item, indent + 2);
      }
    }
    return;
  }
  for (const auto& [key, item] : value.items()) {
    line_start();
    out += (!key.empty() && is_plain_word(key) ? key : json(key).dump()) + ":";
    if (is_nested(item)) {
      out += '\n';
      append(out, item, indent + (item.is_array() ? 0 : 2));
    } else {
      out += " " + scalar(item, indent + 2);
    }
  }
}

}  // namespace

std::string to_yaml(const json& value) {
  if (!is_nested(value)) return scalar(value, 2);
  std::string out;
  append(out, value, 0);
  return out;
}

}  // namespace tunesmith::cli
