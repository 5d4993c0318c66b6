#include "data/json_splitter.h"

#include <fmt/format.h>

#include <utility>

#include "data/table.h"

namespace tunesmith::engine {
namespace {

constexpr int kEnd = std::char_traits<char>::eof();

bool is_space(int c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

JsonSplitter::JsonSplitter(std::istream& in, std::string name, bool array, bool partial)
    : in_(in), name_(std::move(name)), array_(array), partial_(partial) {
  if (in_.peek() == 0xEF) in_.ignore(3);  // byte order mark
}

Result<std::optional<JsonRecord>> JsonSplitter::next() {
  if (finished_) return std::nullopt;
  return array_ ? next_element() : next_line();
}

Result<std::optional<JsonRecord>> JsonSplitter::truncated() const {
  if (partial_) return std::nullopt;
  return permanent("DataNotReadable", fmt::format("{}: ends in the middle of {} {}: truncated?",
                                                  name_, array_ ? "element" : "line", number_ + 1));
}

int JsonSplitter::skip_space() {
  auto& buffer = *in_.rdbuf();
  while (is_space(buffer.sgetc())) buffer.sbumpc();
  return buffer.sgetc();
}

Result<std::optional<JsonRecord>> JsonSplitter::next_line() {
  auto& buffer = *in_.rdbuf();
  JsonRecord record;
  while (true) {
    const int c = buffer.sbumpc();
    const bool end = c == kEnd;
    if (end && partial_) break;  // a last line without newline may be a part of one
    if (!end && c != '\n') {
      record.text += static_cast<char>(c);
      if (record.text.size() <= kMaxRecordSizeBytes) continue;
      return permanent("DataNotReadable", fmt::format("{}: line {} is longer than {} bytes", name_,
                                                      number_ + 1, kMaxRecordSizeBytes));
    }
    ++number_;
    if (record.text.find_first_not_of(" \t\r") != std::string::npos) {
      record.number = number_;
      return record;
    }
    if (end) break;
    record.text.clear();
  }
  finished_ = true;
  return std::nullopt;
}

bool JsonSplitter::read_object(std::string& text) {
  auto& buffer = *in_.rdbuf();
  int depth = 0;
  bool in_string = false;
  bool escaped = false;
  while (text.size() <= kMaxRecordSizeBytes) {
    const int c = buffer.sbumpc();
    if (c == kEnd) return false;
    text += static_cast<char>(c);
    if (in_string) {
      in_string = escaped || c != '"';
      escaped = !escaped && c == '\\';
      continue;
    }
    in_string = c == '"';
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return true;
  }
  return true;  // too long: the caller looks at the size
}

Result<std::optional<JsonRecord>> JsonSplitter::next_element() {
  auto& buffer = *in_.rdbuf();
  int c = skip_space();
  const bool first = !std::exchange(started_, true);
  // '[' is there: the format was told by it
  const bool separator = first || c == ',';
  if (separator) {
    buffer.sbumpc();
    c = skip_space();
  } else if (c != ']' && c != kEnd) {
    return permanent("DataNotReadable",
                     fmt::format("{}: expected ',' or ']' after element {}", name_, number_));
  }
  if (c == kEnd) {
    finished_ = true;
    return truncated();
  }
  if (c == ']') {
    finished_ = true;
    return std::nullopt;
  }
  if (c != '{') {
    return permanent("DataNotReadable", fmt::format("{}: element {} of the array is not an object",
                                                    name_, number_ + 1));
  }
  JsonRecord record;
  if (!read_object(record.text)) {
    finished_ = true;
    return truncated();
  }
  record.number = ++number_;
  if (record.text.size() > kMaxRecordSizeBytes) {
    return permanent("DataNotReadable", fmt::format("{}: element {} is longer than {} bytes", name_,
                                                    number_, kMaxRecordSizeBytes));
  }
  return record;
}

}  // namespace tunesmith::engine
