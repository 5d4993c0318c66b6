// Where a local stack's servers can listen.
#pragma once

#include <cstdint>

namespace tunesmith::cli {

// A free TCP port of the loopback address, `wanted` when that is free; 0 when there is none.
std::uint16_t free_port(std::uint16_t wanted);

}  // namespace tunesmith::cli
