// How the image of a Workspace is fetched. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace tunesmith::cli {

// The registry of the local stack: the name in manifests, and where it really listens.
struct LocalRegistry {
  std::string name, address, user, password_file;
};

// Lines for describe: `oras pull …`, `docker pull …`, by digest; empty while there is no image.
struct PullLines {
  std::string login, oras, docker;
};
PullLines pull_lines(const nlohmann::json& status, const std::optional<LocalRegistry>& local);

// What to type next, by the state; empty when there is nothing to do.
std::string next_step(const nlohmann::json& object, const nlohmann::json& status);

}  // namespace tunesmith::cli
