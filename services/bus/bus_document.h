// What docs/bus.md says of streams, buckets, events and permissions, made from the tables that the
// code itself uses.
#pragma once

#include <string>

namespace tunesmith::bus {

// Markdown tables.
std::string streams_markdown();
std::string buckets_markdown();
std::string events_markdown();
std::string permissions_markdown();

}  // namespace tunesmith::bus
