#include "data/files.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "data/table.h"

namespace tunesmith::engine {

Result<LayoutKind> read_files(std::span<const std::filesystem::path> files, const RowSink& sink) {
  if (files.empty()) return permanent("DataEmpty", "no data files were given");
  std::optional<LayoutKind> common;
  for (const std::filesystem::path& path : files) {
    auto table = open_table(path);
    if (!table) return tl::unexpected(table.error());
    const auto layout = find_layout((*table)->columns(), path.filename().string());
    if (!layout) return tl::unexpected(layout.error());
    if (common && *common != layout->kind) {
      return permanent(
          "MixedLayouts",
          fmt::format("{}: has the layout {}, the files before it {}; all files of a "
                      "data set must have the same",
                      path.filename().string(), name_of(layout->kind), name_of(*common)));
    }
    common = layout->kind;
    const auto done = (*table)->read(
        layout->columns, [&](std::span<Cell> cells) { return sink(make_row(*layout, cells)); });
    if (!done) return tl::unexpected(done.error());
  }
  return *common;
}

}  // namespace tunesmith::engine
