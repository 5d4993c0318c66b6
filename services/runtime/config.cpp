#include "runtime/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <type_traits>

#include "runtime/text.h"

namespace tunesmith {
namespace {

std::string variable_of(const std::string& key) {
  std::string name = "TUNESMITH_";
  for (const char c : key) {
    name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

template <typename Number>
std::optional<Number> parse_number(const std::string& text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::chrono::milliseconds> parse_duration(const std::string& text) {
  struct Unit {
    const char* name;
    std::int64_t milliseconds;
  };
  static constexpr std::array<Unit, 4> kUnits{
      {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
  std::int64_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc() || value < 0) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (std::string(end, last) != unit.name) continue;
    if (value > 1'000'000'000'000 / unit.milliseconds) return std::nullopt;
    return std::chrono::milliseconds(value * unit.milliseconds);
  }
  return std::nullopt;
}

// As parse_duration() reads it, in the largest unit without a rest.
std::string duration_text(std::chrono::milliseconds time) {
  const auto count = time.count();
  if (count == 0) return "0s";
  if (count % 3'600'000 == 0) return std::to_string(count / 3'600'000) + "h";
  if (count % 60'000 == 0) return std::to_string(count / 60'000) + "m";
  if (count % 1'000 == 0) return std::to_string(count / 1'000) + "s";
  return std::to_string(count) + "ms";
}

template <typename Number>
std::string plain(Number value) {
  std::array<char, 32> buffer{};
  return {buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr};
}

}  // namespace

struct ConfigReader::State {
  std::string source;  // what problems name: the file, or the environment
  YAML::Node root;
  Environment environment;
  std::map<std::string, ConfigKey> known;
  bool only_listed = false;
  std::vector<std::string> problems;

  void ask(const std::string& key, const char* kind, std::string fallback) {
    known.try_emplace(key, ConfigKey{key, kind, std::move(fallback)});
  }

  // What stands under `key`: the variable wins over the file. Undefined when neither has it (or it
  // is null).
  YAML::Node find(const std::string& key, bool as_yaml) {
    if (const auto value = environment(variable_of(key))) {
      if (!as_yaml) return YAML::Node(*value);
      try {
        return YAML::Load(*value);
      } catch (const YAML::Exception&) {
        problem(key, "a YAML list or map in " + variable_of(key), "text that is no YAML");
        return YAML::Node(YAML::NodeType::Undefined);
      }
    }
    if (!root.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
    const YAML::Node& constant = root;
    const YAML::Node node = constant[key];
    return node.IsDefined() && !node.IsNull() ? node : YAML::Node(YAML::NodeType::Undefined);
  }

  // The scalar under `key`; nullopt when it is missing or (with a problem noted) no scalar.
  std::optional<std::string> scalar(const std::string& key, const std::string& expected) {
    const YAML::Node node = find(key, false);
    if (!node.IsDefined()) return std::nullopt;
    if (node.IsScalar()) return node.Scalar();
    problem(key, expected, node.IsMap() ? "a map" : "a list");
    return std::nullopt;
  }

  void problem(const std::string& key, const std::string& expected, const std::string& found) {
    problems.push_back("key '" + key + "': expected " + expected + ", found " + found);
  }

  template <typename Number>
  Number ranged(const std::string& key, Number fallback, Number minimum, Number maximum,
                const std::string& kind) {
    ask(key, std::is_integral_v<Number> ? "whole number" : "number", plain(fallback));
    const std::string expected = kind + " from " + plain(minimum) + " to " + plain(maximum);
    const auto text = scalar(key, expected);
    if (!text) return fallback;
    const auto value = parse_number<Number>(*text);
    if (value && *value >= minimum && *value <= maximum) return *value;
    problem(key, expected, "'" + *text + "'");
    return fallback;
  }
};

ConfigReader::ConfigReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
ConfigReader::ConfigReader(ConfigReader&&) noexcept = default;
ConfigReader& ConfigReader::operator=(ConfigReader&&) noexcept = default;
ConfigReader::~ConfigReader() = default;

Result<ConfigReader> ConfigReader::open(const std::filesystem::path& file,
                                        Environment environment) {
  auto state = std::make_unique<State>();
  state->source = file.empty() ? "the environment" : file.string();
  state->environment = std::move(environment);
  if (file.empty()) return ConfigReader(std::move(state));
  const auto text = read_file(file, 1u << 20);
  if (!text) {
    return permanent("ConfigInvalid", "the configuration is missing: " + text.error().message);
  }
  try {
    state->root = YAML::Load(*text);
  } catch (const YAML::Exception& error) {
    return permanent("ConfigInvalid", file.string() + " is no YAML: " + error.what());
  }
  if (!state->root.IsMap() && !state->root.IsNull()) {
    return permanent("ConfigInvalid", file.string() +
                                          ": expected a mapping of keys to values at the top, "
                                          "found a " +
                                          (state->root.IsSequence() ? "list" : "single value"));
  }
  return ConfigReader(std::move(state));
}

ConfigReader::Environment ConfigReader::process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): read only
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

std::optional<std::string> ConfigReader::variable(const std::string& name) const {
  return state_->environment(name);
}

std::string ConfigReader::text(const std::string& key, std::string fallback) {
  state_->ask(key, "text", fallback);
  return state_->scalar(key, "text").value_or(std::move(fallback));
}

std::string ConfigReader::required_text(const std::string& key) {
  state_->ask(key, "text", "required");
  const std::size_t problems = state_->problems.size();
  const auto value = state_->scalar(key, "text");
  if (value && !value->empty()) return *value;
  if (state_->problems.size() == problems) {
    state_->problem(key, "a value (here or in " + variable_of(key) + ")", "none");
  }
  return "";
}

std::int64_t ConfigReader::integer(const std::string& key, std::int64_t fallback,
                                   std::int64_t minimum, std::int64_t maximum) {
  return state_->ranged(key, fallback, minimum, maximum, "a whole number");
}

double ConfigReader::number(const std::string& key, double fallback, double minimum,
                            double maximum) {
  return state_->ranged(key, fallback, minimum, maximum, "a number");
}

bool ConfigReader::boolean(const std::string& key, bool fallback) {
  state_->ask(key, "true or false", fallback ? "true" : "false");
  const auto text = state_->scalar(key, "true or false");
  if (!text) return fallback;
  if (*text == "true") return true;
  if (*text != "false") state_->problem(key, "true or false", "'" + *text + "'");
  return *text == "false" ? false : fallback;
}

std::chrono::milliseconds ConfigReader::duration(const std::string& key,
                                                 std::chrono::milliseconds fallback) {
  state_->ask(key, "duration", duration_text(fallback));
  const std::string expected = "a duration like 250ms, 30s, 10m or 24h";
  const auto text = state_->scalar(key, expected);
  if (!text) return fallback;
  if (const auto value = parse_duration(*text)) return *value;
  state_->problem(key, expected, "'" + *text + "'");
  return fallback;
}

std::vector<std::string> ConfigReader::texts(const std::string& key,
                                             std::vector<std::string> fallback) {
  state_->ask(key, "list", "[]");
  const YAML::Node node = state_->find(key, true);
  if (!node.IsDefined() || node.IsNull()) return fallback;
  std::vector<std::string> values;
  bool good = node.IsSequence();
  for (const auto& item : good ? node : YAML::Node(YAML::NodeType::Sequence)) {
    good = good && item.IsScalar();
    if (item.IsScalar()) values.push_back(item.Scalar());
  }
  if (good) return values;
  state_->problem(key, "a list of texts", node.IsSequence() ? "a nested value" : "another type");
  return fallback;
}

std::map<std::string, std::string> ConfigReader::text_map(const std::string& key) {
  state_->ask(key, "map", "{}");
  const YAML::Node node = state_->find(key, true);
  std::map<std::string, std::string> values;
  if (!node.IsDefined() || node.IsNull()) return values;
  bool good = node.IsMap();
  for (const auto& item : good ? node : YAML::Node(YAML::NodeType::Map)) {
    good = good && item.first.IsScalar() && item.second.IsScalar();
    if (good) values[item.first.Scalar()] = item.second.Scalar();
  }
  if (!good)
    state_->problem(key, "a map of texts", node.IsMap() ? "a nested value" : "another type");
  return values;
}

std::vector<ConfigKey> ConfigReader::keys() const {
  std::vector<ConfigKey> all;
  for (const auto& [name, key] : state_->known) all.push_back(key);
  return all;
}

void ConfigReader::only_list() { state_->only_listed = true; }

Result<void> ConfigReader::finish() const {
  if (state_->only_listed) return permanent("ConfigInvalid", "the keys are only listed");
  std::vector<std::string> problems = state_->problems;
  for (const auto& item : state_->root) {
    if (!item.first.IsScalar() || state_->known.count(item.first.Scalar()) == 0) {
      const std::string key = item.first.IsScalar() ? item.first.Scalar() : "(not a text)";
      problems.push_back("key '" + key + "': unknown; remove it or correct its spelling");
    }
  }
  if (problems.empty()) return {};
  std::string message = "the configuration (" + state_->source + ") is not valid";
  for (const std::string& problem : problems) message += "; " + problem;
  return permanent("ConfigInvalid", message);
}

}  // namespace tunesmith
