#include "cli/stack_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/free_port.h"
#include "cli/nats_access.h"
#include "cli/yaml_text.h"
#include "runtime/base64.h"
#include "runtime/process.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kRegistryUser = "demo";
constexpr std::array<const char*, 4> kControlServices{"watcher", "planner", "image-builder",
                                                      "provisioner"};

// Makes one stack's files; the first failure is kept and ends the rest.
class StackWriter {
 public:
  StackWriter(const StackOptions& options, const std::optional<StackState>& before)
      : options_(options), paths_{options.dir}, before_(before) {}

  Result<StackState> write() {
    state_.state = "starting";
    state_.registry_name = kRegistryName;
    state_.registry_user = kRegistryUser;
    for (const auto step :
         {&StackWriter::find_programs, &StackWriter::make_folders, &StackWriter::choose_ports,
          &StackWriter::write_secrets, &StackWriter::write_servers, &StackWriter::write_services,
          &StackWriter::write_cli}) {
      if (auto done = (this->*step)(); !done) return tl::unexpected(done.error());
    }
    return state_;
  }

 private:
  std::string path(const std::string& relative) const { return (options_.dir / relative).string(); }
  fs::path bin_dir() const {
    return options_.bin_dir.empty() ? executable_dir() : options_.bin_dir;
  }
  fs::path service_program(const std::string& name) const {
    return bin_dir() / ("tunesmith-" + name);
  }

  Result<void> find_programs() {
    nats_server_ =
        options_.nats_server.empty() ? find_program("nats-server") : options_.nats_server;
    registry_ = find_program("docker-registry");
    htpasswd_ = find_program("htpasswd");
    std::string missing;
    const auto need = [&](const fs::path& program, const std::string& name) {
      if (::access(program.c_str(), X_OK) != 0) missing += (missing.empty() ? "" : ", ") + name;
    };
    need(nats_server_, "nats-server");
    need(registry_, "docker-registry");
    need(htpasswd_, "htpasswd (package apache2-utils)");
    for (const char* service : kControlServices) {
      need(service_program(service), service_program(service).string());
    }
    need(service_program("gpu-worker"), service_program("gpu-worker").string());
    if (missing.empty()) return {};
    return permanent("ProgramMissing", "the stack cannot start: not found: " + missing);
  }

  Result<void> make_folders() {
    for (const char* folder : {"config", "logs", "run", "auth", "secrets/default", "nats",
                               "registry/data", "cache", "work"}) {
      std::error_code error;
      fs::create_directories(options_.dir / folder, error);
      if (error) {
        return permanent("FileUnwritable",
                         "cannot make the folder " + path(folder) + ": " + error.message());
      }
    }
    ::chmod(options_.dir.c_str(), 0700);
    return {};
  }

  Result<void> choose_ports() {
    state_.nats_port = free_port(before_ ? before_->nats_port : 0);
    state_.registry_port = free_port(before_ ? before_->registry_port : 0);
    if (state_.registry_port == state_.nats_port) state_.registry_port = free_port(0);
    if (state_.nats_port != 0 && state_.registry_port != 0) return {};
    return permanent("AddressInUse", "no free port on 127.0.0.1");
  }

  Result<void> write_secrets() {
    auto authorization = nats_access(paths_, htpasswd_);
    if (!authorization) return tl::unexpected(authorization.error());
    nats_authorization_ = *std::move(authorization);
    const auto registry = kept_password(paths_.auth("registry-password"));
    if (!registry) return tl::unexpected(registry.error());
    const auto hashed = bcrypt_line(htpasswd_, kRegistryUser, *registry);
    if (!hashed) return tl::unexpected(hashed.error());
    if (auto written = write_file(paths_.auth("registry.htpasswd"), *hashed, 0600); !written) {
      return written;
    }
    const json login = {{"auth", base64_encode(std::string(kRegistryUser) + ":" + *registry)}};
    const json docker_config = {{"auths", {{kRegistryName, login}, {registry_address(), login}}}};
    return write_file(paths_.secrets() / "default" / kRegistrySecret, docker_config.dump(2) + "\n",
                      0600);
  }

  std::string registry_address() const {
    return "127.0.0.1:" + std::to_string(state_.registry_port);
  }

  Result<void> write_servers() {
    const std::string nats_config =
        "# Written by `tunesmith up`.\n"
        "host: 127.0.0.1\nport: " +
        std::to_string(state_.nats_port) +
        "\nserver_name: tunesmith-local\n"
        "jetstream { store_dir: " +
        // A limit of its own: the default is 75 % of what is free at the start, and a server that
        // finds more stored than that refuses to start.
        json(path("nats")).dump() +
        ", max_file_store: " + std::to_string(options_.bus_storage_bytes) + " }\n" +
        nats_authorization_;
    const json registry_config = {
        {"version", 0.1},
        {"log", {{"level", "warn"}, {"accesslog", {{"disabled", true}}}}},
        {"storage",
         {{"filesystem", {{"rootdirectory", path("registry/data")}}},
          {"delete", {{"enabled", true}}}}},
        {"http", {{"addr", registry_address()}}},
        {"auth",
         {{"htpasswd", {{"realm", "tunesmith"}, {"path", paths_.auth("registry.htpasswd")}}}}}};
    add("nats-server", {nats_server_, "-c", paths_.config("nats.conf")},
        "127.0.0.1:" + std::to_string(state_.nats_port));
    add("registry", {registry_, "serve", paths_.config("registry.yaml")}, registry_address());
    auto written = write_file(paths_.config("nats.conf"), nats_config, 0600);
    if (written) written = write_file(paths_.config("registry.yaml"), to_yaml(registry_config));
    if (written) written = write_file(path("registry/address"), registry_address() + "\n");
    return written;
  }

  void add(const std::string& name, std::vector<std::string> argv, const std::string& address) {
    ChildState child;
    child.name = name;
    child.argv = std::move(argv);
    child.log = paths_.log(name);
    child.address = address;
    state_.children.push_back(std::move(child));
  }

  // Of one user of NATS (bus/permissions.h).
  json bus_config(const std::string& user) const {
    return {{"nats_url", "nats://127.0.0.1:" + std::to_string(state_.nats_port)},
            {"nats_store_limit_bytes", options_.bus_storage_bytes},
            {"nats_user", user},
            {"nats_password_file", nats_password_file(paths_, user)}};
  }

  void add_host_paths(json& config) const {
    if (!options_.allowed_host_paths.empty()) {
      config["allowed_host_paths"] = options_.allowed_host_paths;
    }
  }

  // What reaches out to registries: the stack's own is spoken to in plain HTTP.
  void add_registries(json& config) const {
    config["insecure_registries"] = json::array({kRegistryName, registry_address()});
    config["connect_to"][std::string(kRegistryName) + ":80"] = registry_address();
  }

  // What reaches out to model hubs and data hosts, with the secrets that Workspaces name.
  json outside_config() const {
    json config = json::object();
    if (!options_.connect_to.empty()) config["connect_to"] = options_.connect_to;
    if (!options_.allowed_data_hosts.empty()) {
      config["allowed_data_hosts"] = options_.allowed_data_hosts;
    }
    if (!options_.allowed_data_paths.empty()) {
      config["allowed_data_paths"] = options_.allowed_data_paths;
    }
    add_host_paths(config);
    if (!options_.ca_file.empty()) config["ca_file"] = options_.ca_file;
    config["secrets_dir"] = paths_.secrets();
    add_registries(config);
    return config;
  }

  Result<void> add_service(const std::string& name, const std::string& program, const json& own) {
    json config = bus_config(program);
    config["log_level"] = options_.log_level;
    config["admin_address"] = "127.0.0.1:0";
    config["port_file"] = path("run/" + name + ".port");
    config.update(own);
    const fs::path file = paths_.config(name + ".yaml");
    add(name, {service_program(program), "--config", file}, "");
    state_.children.back().port_file = path("run/" + name + ".port");
    return write_file(file, to_yaml(config));
  }

  json image_builder_config() const {
    json config = {{"secrets_dir", paths_.secrets()},
                   {"work_dir", path("work/image-builder")},
                   {"connect_to", options_.connect_to}};
    add_registries(config);
    add_host_paths(config);
    if (!options_.ca_file.empty()) config["ca_file"] = options_.ca_file;
    return config;
  }

  json planner_config() const {
    json config = outside_config();
    config["inspect"] = bin_dir() / "tunesmith-inspect";
    config["work_dir"] = path("work/planner");
    if (!options_.model_hub.empty()) config["model_hub"] = options_.model_hub;
    return config;
  }

  // Workers share the cache of models and data; each has a folder for its runs.
  json worker_config(const std::string& name) const {
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    json config = outside_config();
    config["engine"] = bin_dir() / "tunesmith-engine";
    config["cache_dir"] = path("cache");
    config["work_dir"] = path("work/" + name);
    if (options_.workers > 1) config["threads"] = std::max(1, cores / options_.workers);
    return config;
  }

  Result<void> write_services() {
    const json provisioner = {{"provider", "local"}, {"workers", options_.workers}};
    auto done = add_service("watcher", "watcher", json::object());
    if (done) done = add_service("planner", "planner", planner_config());
    if (done) done = add_service("image-builder", "image-builder", image_builder_config());
    if (done) done = add_service("provisioner", "provisioner", provisioner);
    for (int i = 1; done && i <= options_.workers; ++i) {
      const std::string name =
          options_.workers == 1 ? "gpu-worker" : "gpu-worker-" + std::to_string(i);
      done = add_service(name, "gpu-worker", worker_config(name));
    }
    return done;
  }

  Result<void> write_cli() {
    json config = bus_config("cli");
    if (!options_.allowed_data_hosts.empty()) {
      config["allowed_data_hosts"] = options_.allowed_data_hosts;
    }
    if (!options_.allowed_data_paths.empty()) {
      config["allowed_data_paths"] = options_.allowed_data_paths;
    }
    add_host_paths(config);
    if (auto written = write_file(paths_.config("cli.yaml"), to_yaml(config)); !written) {
      return written;
    }
    return write_file(paths_.config("admin.yaml"), to_yaml(bus_config("admin")));
  }

  const StackOptions& options_;
  StackPaths paths_;
  const std::optional<StackState>& before_;
  StackState state_;
  fs::path nats_server_, registry_, htpasswd_;
  std::string nats_authorization_;
};

}  // namespace

Result<StackState> prepare_stack(const StackOptions& options,
                                 const std::optional<StackState>& before) {
  return StackWriter(options, before).write();
}

}  // namespace tunesmith::cli
