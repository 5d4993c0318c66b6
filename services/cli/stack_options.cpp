#include "cli/stack_options.h"

#include <unistd.h>

#include <cstdlib>

#include "runtime/config.h"

namespace tunesmith::cli {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read only
  return value == nullptr ? "" : value;
}

bool is_host_port(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  return colon != std::string::npos && colon > 0 && colon + 1 < text.size() &&
         text.find_first_not_of("0123456789", colon + 1) == std::string::npos;
}

}  // namespace

Result<void> add_connect_to(StackOptions& options, const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string from = text.substr(0, equals);
  const std::string to = equals == std::string::npos ? "" : text.substr(equals + 1);
  if (!is_host_port(from) || !is_host_port(to)) {
    return permanent("UsageError",
                     "--connect-to: expected HOST:PORT=ADDRESS:PORT, found '" + text + "'");
  }
  options.connect_to[from] = to;
  return {};
}

fs::path stack_dir(const std::string& given) {
  if (!given.empty()) return fs::absolute(given).lexically_normal();
  const std::string home = variable("TUNESMITH_HOME");
  if (!home.empty()) return fs::absolute(home).lexically_normal();
  return fs::path(variable("HOME").empty() ? "/" : variable("HOME")) / ".tunesmith";
}

Result<void> read_stack_options(const fs::path& file, StackOptions& options) {
  auto config =
      ConfigReader::open(file, [](const std::string&) { return std::optional<std::string>(); });
  if (!config) return tl::unexpected(config.error());
  options.workers = static_cast<int>(config->integer("workers", options.workers, 1, 64));
  options.model_hub = config->text("model_hub", options.model_hub);
  options.ca_file = config->text("ca_file", options.ca_file);
  options.log_level = config->text("log_level", options.log_level);
  options.bus_storage_bytes = static_cast<std::uint64_t>(
      config->integer("bus_storage_bytes", static_cast<std::int64_t>(options.bus_storage_bytes),
                      1 << 20, std::int64_t{1} << 60));
  options.connect_to = config->text_map("connect_to");
  options.allowed_data_hosts = config->texts("allowed_data_hosts", options.allowed_data_hosts);
  options.allowed_host_paths = config->texts("allowed_host_paths", options.allowed_host_paths);
  options.allowed_data_paths = config->texts("allowed_data_paths", options.allowed_data_paths);
  return config->finish();
}

fs::path find_program(const std::string& name) {
  std::string folders = variable("PATH") + ":/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin";
  for (std::size_t begin = 0; begin < folders.size();) {
    const std::size_t end = std::min(folders.find(':', begin), folders.size());
    fs::path candidate = fs::path(folders.substr(begin, end - begin)) / name;
    if (end > begin && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return {};
}

fs::path executable_dir() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path();
}

}  // namespace tunesmith::cli
