// Tells data files apart.
#pragma once

#include <string>
#include <string_view>

#include "data/table.h"
#include "failure.h"

namespace tunesmith::engine {

// `head`: the first bytes of the file (4 KiB are enough), not empty; `name`: for its ending and for
// messages. Fails with DataFormatUnknown, saying what the file looks like, with DataNotReadable
// when it is not what its ending says, and with DataEmpty.
Result<FileFormat> detect_format(std::string_view head, const std::string& name);

}  // namespace tunesmith::engine
