// Reads the fields of one JSON object into typed variables and remembers the first thing that is
// wrong.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tunesmith::engine {

enum class Presence { kRequired, kOptional };

struct NumberRange {
  double low;
  double high;
  bool high_included = true;
  bool low_included = true;
};

// Each call reads one key; a value of the wrong type or out of range becomes `problem()`, as does a
// required key that is absent. An optional key that is absent or null leaves its variable alone.
// Not thread-safe; `object` must outlive it.
class FieldReader {
 public:
  // `prefix` goes before the key in messages, e.g. "hyper_parameters.".
  explicit FieldReader(const nlohmann::json& object, std::string prefix = "");

  // 64-bit integers may also be decimal strings, as Protobuf's JSON writes them.
  void integer(const char* key, std::int64_t& value, std::int64_t low, std::int64_t high,
               Presence presence = Presence::kRequired);
  void unsigned32(const char* key, std::uint32_t& value, std::uint32_t low, std::uint32_t high);
  void unsigned64(const char* key, std::uint64_t& value);
  void number(const char* key, double& value, NumberRange range,
              Presence presence = Presence::kRequired);
  void boolean(const char* key, bool& value, Presence presence = Presence::kRequired);
  void text(const char* key, std::string& value, Presence presence = Presence::kRequired);
  void text_list(const char* key, std::vector<std::string>& value,
                 Presence presence = Presence::kRequired);
  // One of `choices`; `value` is its index.
  void choice(const char* key, std::size_t& value, const std::vector<std::string>& choices,
              Presence presence = Presence::kRequired);
  // The value as it is, or nullptr when absent or null.
  const nlohmann::json* any(const char* key, Presence presence);

  // Every key that was not read is a problem, with the nearest one that can be read.
  void refuse_unknown();
  void complain(std::string problem);
  const std::optional<std::string>& problem() const { return problem_; }

 private:
  void expected(const char* key, std::string_view what, const nlohmann::json& found);

  const nlohmann::json& object_;
  std::string prefix_;
  std::set<std::string, std::less<>> read_;
  std::optional<std::string> problem_;
};

}  // namespace tunesmith::engine
