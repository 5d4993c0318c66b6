// Names of the hosts that the simulated network leads to (network.cpp replaces the part of the HTTP
// client that opens connections).
#pragma once

namespace tunesmith::simulation {

inline constexpr const char* kRegistryHost = "registry.example.org";
inline constexpr const char* kHubHost = "huggingface.co";
inline constexpr const char* kDataHost = "data.example.org";

}  // namespace tunesmith::simulation
