// All files of a data set, row by row.
#pragma once

#include <filesystem>
#include <functional>
#include <span>

#include "data/layout.h"
#include "failure.h"

namespace tunesmith::engine {

using RowSink = std::function<Result<void>(Row&&)>;

// Reads the files in order. Fails as open_table, find_layout and Table::read, with MixedLayouts
// when the files do not have the same layout, and with what the sink fails with.
Result<LayoutKind> read_files(std::span<const std::filesystem::path> files, const RowSink& sink);

}  // namespace tunesmith::engine
