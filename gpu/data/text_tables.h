// The tables that are text: json, jsonl and csv.
#pragma once

#include <istream>
#include <memory>
#include <string>

#include "data/table.h"
#include "failure.h"

namespace tunesmith::engine {

// partial: the stream is the beginning of a longer file. All take the stream and read from it as
// needed. Fail with DataNotReadable and DataEmpty.
Result<std::unique_ptr<Table>> open_json(std::unique_ptr<std::istream> in, const std::string& name,
                                         bool array, bool partial);
Result<std::unique_ptr<Table>> open_csv(std::unique_ptr<std::istream> in, const std::string& name,
                                        bool partial);

// The messages written as JSON text (an array of {"role", "content"}), as some csv files have them.
Cell messages_from_json(const std::string& text);

}  // namespace tunesmith::engine
