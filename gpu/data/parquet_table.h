// Parquet through Arrow.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "data/table.h"
#include "failure.h"

namespace tunesmith::engine {

// Fails with DataNotReadable and DataEmpty.
Result<std::unique_ptr<Table>> open_parquet(const std::filesystem::path& path);

// Columns and row count from the last bytes of a file; its read() fails. Fails with FooterTooShort
// (transient) when more of the end is needed: parquet_footer_size tells how many bytes.
Result<std::unique_ptr<Table>> parquet_footer_table(const std::string& footer,
                                                    const std::string& name);

// How many bytes of the end hold the description, told by the last 8 bytes; 0 when they are not the
// end of a parquet file.
std::uint64_t parquet_footer_size(const std::string& footer);

}  // namespace tunesmith::engine
