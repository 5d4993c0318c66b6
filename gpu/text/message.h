// One turn of a conversation.
#pragma once

#include <string>

namespace tunesmith::engine {

struct Message {
  std::string role;  // "system", "user", "assistant" or what the chat template knows
  std::string content;
};

}  // namespace tunesmith::engine
