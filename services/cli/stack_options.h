// What a person can choose of a local stack.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::cli {

struct StackOptions {
  std::filesystem::path dir{};
  int workers = 1;
  std::string model_hub{};  // empty = the planner's own default
  // "host:port" → "address:port", for model hub and data hosts.
  std::map<std::string, std::string> connect_to{};
  std::vector<std::string> allowed_data_hosts{};
  std::vector<std::string>
      allowed_host_paths{};  // folders for hostPath volumes, written to as well
  std::vector<std::string> allowed_data_paths{};  // folders that Workspaces may name files in
  std::string ca_file{};
  std::string log_level = "info";
  std::uint64_t bus_storage_bytes = 64'000'000'000;  // JetStream's limit
  std::filesystem::path nats_server{};               // empty = looked up in PATH and /usr/sbin
  std::filesystem::path bin_dir{};  // where the services are; empty = beside this executable
};

// "HOST:PORT=ADDRESS:PORT" into the map. Permanent `UsageError`.
Result<void> add_connect_to(StackOptions& options, const std::string& text);

// The stack's folder: `given`, else $TUNESMITH_HOME, else ~/.tunesmith.
std::filesystem::path stack_dir(const std::string& given);

// Reads the keys workers, model_hub, connect_to, allowed_data_hosts, allowed_data_paths,
// allowed_host_paths, ca_file, log_level, bus_storage_bytes from a YAML file. Permanent
// `ConfigInvalid`.
Result<void> read_stack_options(const std::filesystem::path& file, StackOptions& options);

// A program of that name in PATH or the folders of system programs; empty when there is none.
std::filesystem::path find_program(const std::string& name);

// The folder of this executable.
std::filesystem::path executable_dir();

}  // namespace tunesmith::cli
