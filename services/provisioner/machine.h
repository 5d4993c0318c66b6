// What this machine is.
#pragma once

#include <cstdint>
#include <string>

namespace tunesmith::provisioner {

// The host name, letters that a bucket's key cannot have replaced; "local" when the machine has
// none.
std::string node_name();

// Memory that processes here may use: the machine's, or the control group's limit if that is lower.
std::uint64_t memory_bytes();

}  // namespace tunesmith::provisioner
