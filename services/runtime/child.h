// The system calls under Process: fork and exec, pipes, reaping. Not for others.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "runtime/descriptor.h"
#include "runtime/process.h"

namespace tunesmith::child {

// Who gets the child's output; an empty function = nobody (log file or /dev/null).
struct Sinks {
  std::function<void(std::string_view)> output, error;
  std::function<void()> finished;  // after the last piece
};

// Our ends of the child's standard streams; closed when not used.
struct Pipes {
  Descriptor input, output, error;
};

// Forks and executes. The error is the errno of what failed, also when it failed in the child.
tl::expected<pid_t, int> launch(const ProcessOptions& options, const Sinks& sinks, Pipes& pipes);

// Feeds `input` and hands output on until the child has exited (it is a zombie then) and what it
// wrote was delivered. With own_group, what it left behind in its group is killed.
void pump_until_exit(pid_t pid, bool own_group, std::string_view input, const Sinks& sinks,
                     Pipes& pipes);

ExitStatus reap(pid_t pid);

}  // namespace tunesmith::child
