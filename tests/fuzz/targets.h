// What is fuzzed: readers of text that other people wrote. Each takes any bytes; it throws
// std::logic_error when a promise is broken (libFuzzer takes that for a crash, the replay for a
// failed test) and returns otherwise.
#pragma once

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tunesmith::fuzz {

void manifest(std::string_view input);         // YAML documents → objects → admission
void training_config(std::string_view input);  // training_config.yaml → hyper-parameters
void event(std::string_view input);            // a stored message: subject, headers, payload
void docker_config(std::string_view input);    // a push secret
void image_reference(std::string_view input);
void url_guard(std::string_view input);

struct Target {
  const char* name;  // also its folder in corpus/
  void (*run)(std::string_view input);
};

inline constexpr std::array kTargets{
    Target{"manifest", manifest},
    Target{"training_config", training_config},
    Target{"event", event},
    Target{"docker_config", docker_config},
    Target{"image_reference", image_reference},
    Target{"url_guard", url_guard},
};

inline void promise(bool kept, const std::string& what) {
  if (!kept) {
    throw std::logic_error("broken promise: " + what);
  }
}

}  // namespace tunesmith::fuzz
