// What tunesmith-inspect says about data files, as JSON. The contract is in README.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "data/dataset.h"
#include "failure.h"
#include "text/tokenizer.h"

namespace tunesmith::engine {

// Reads the files whole. tokenizer may be null: nothing is said about tokens then.
Result<nlohmann::ordered_json> inspect_files(std::span<const std::filesystem::path> files,
                                             const DataOptions& options,
                                             const Tokenizer* tokenizer);

// From the first bytes of a file of `size` bytes. Fails with FooterNeeded for parquet.
Result<nlohmann::ordered_json> inspect_head(std::string head, const std::string& name,
                                            std::uint64_t size);

// From the last bytes of a parquet file. Fails with FooterTooShort when they are too few.
Result<nlohmann::ordered_json> inspect_footer(const std::string& footer, const std::string& name);

// {"failure": {"class", "reason", "message"}}
nlohmann::ordered_json failure_json(const Failure& failure);

}  // namespace tunesmith::engine
