// Rows to training examples.
#pragma once

#include <cstddef>
#include <string>
#include <variant>

#include "data/dataset.h"
#include "data/example.h"
#include "data/layout.h"
#include "failure.h"
#include "text/tokenizer.h"

namespace tunesmith::engine {

// An example that was longer than max_seq_length was cut at the end.
struct BuiltExample {
  Example example;
  std::size_t full_size = 0;  // tokens before the cut
};
// Why the row gives no example.
struct Dropped {
  std::string why;
};

// Conversations: rendered with the chat template; targets are the assistant's turns with their
// end-of-turn tokens (all but the first token without assistant_only_loss). Prompt and completion:
// joined, closed with EOS, targets are the completion and EOS. Text: closed with EOS, all targets.
// Fails only for what no other row could help: no chat template, a tokenizer that does not work.
Result<std::variant<Dropped, BuiltExample>> build_example(const Row& row,
                                                          const DataOptions& options,
                                                          const Tokenizer& tokenizer);

}  // namespace tunesmith::engine
