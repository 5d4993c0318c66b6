// Values of Arrow arrays as cells.
#pragma once

#include <arrow/api.h>

#include <cstdint>
#include <memory>

#include "data/table.h"

namespace tunesmith::engine {

// kText for all kinds of UTF-8 columns, kMessages for all kinds of lists of structs with `role`
// and `content`, else kOther.
ColumnKind kind_of(const arrow::DataType& type);

// The value at `row`; BadCell when it is not valid UTF-8 or too long.
Cell cell_at(const arrow::Array& array, std::int64_t row);

}  // namespace tunesmith::engine
