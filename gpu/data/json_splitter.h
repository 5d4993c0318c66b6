// Cuts a stream of JSON objects into records without holding more than one.
#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <string>

#include "failure.h"

namespace tunesmith::engine {

struct JsonRecord {
  std::string text;
  std::uint64_t number = 0;  // line (jsonl) or element (json), from 1
};

// Not thread-safe. `in` must outlive it.
class JsonSplitter {
 public:
  // array: one array of objects, else one object per line. partial: the stream is the beginning of
  // a longer one, an incomplete record at its end is left out.
  JsonSplitter(std::istream& in, std::string name, bool array, bool partial);

  // The next record, not yet parsed; nullopt at the end. Fails with DataNotReadable.
  Result<std::optional<JsonRecord>> next();

 private:
  Result<std::optional<JsonRecord>> next_line();
  Result<std::optional<JsonRecord>> next_element();
  Result<std::optional<JsonRecord>> truncated() const;
  int skip_space();
  // Reads the rest of an object after its '{'; false when the stream ends inside it.
  bool read_object(std::string& text);

  std::istream& in_;
  std::string name_;
  bool array_;
  bool partial_;
  bool started_ = false;
  bool finished_ = false;
  std::uint64_t number_ = 0;
};

}  // namespace tunesmith::engine
