// One YAML file per service, every key overridable by an environment variable; unknown keys are
// refused.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.h"

namespace tunesmith {

// A key as it was asked for. `kind`: text, whole number, number, true or false, duration, list or
// map; `fallback` as it would be written in the file, "required" without one.
struct ConfigKey {
  std::string key{}, kind{}, fallback{};
};

// Reads typed settings from one flat YAML mapping (values: scalars, lists of scalars, maps of
// scalars). The key `nats_url` is overridden by the variable `TUNESMITH_NATS_URL` (lists and maps:
// as YAML flow text). Getters never fail: problems (wrong type, out of range, missing required
// value) are collected, with unknown keys, and told together by finish(), each naming key,
// expected, found.
class ConfigReader {
 public:
  using Environment = std::function<std::optional<std::string>(const std::string& name)>;

  // An empty path = no file, only environment and defaults. Fails when the file cannot be read or
  // is no mapping.
  static Result<ConfigReader> open(const std::filesystem::path& file, Environment environment);
  static Environment process_environment();

  ConfigReader(ConfigReader&&) noexcept;
  ConfigReader& operator=(ConfigReader&&) noexcept;
  ~ConfigReader();

  std::string text(const std::string& key, std::string fallback);
  std::string required_text(const std::string& key);
  std::int64_t integer(const std::string& key, std::int64_t fallback, std::int64_t minimum,
                       std::int64_t maximum);
  double number(const std::string& key, double fallback, double minimum, double maximum);
  bool boolean(const std::string& key, bool fallback);
  // Written as "250ms", "30s", "10m", "24h".
  std::chrono::milliseconds duration(const std::string& key, std::chrono::milliseconds fallback);
  std::vector<std::string> texts(const std::string& key, std::vector<std::string> fallback);
  std::map<std::string, std::string> text_map(const std::string& key);
  // A variable under its own name, for the few that are everybody's (HTTPS_PROXY). Not a key.
  std::optional<std::string> variable(const std::string& name) const;

  // Every key that was asked for, sorted by name.
  std::vector<ConfigKey> keys() const;
  // From now on finish() fails, so that a service asks for its keys and starts nothing.
  void only_list();

  // Permanent `ConfigInvalid` naming every problem found, else success.
  Result<void> finish() const;

 private:
  struct State;
  explicit ConfigReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tunesmith
