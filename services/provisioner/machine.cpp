#include "provisioner/machine.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>

namespace tunesmith::provisioner {

std::string node_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) {
    return "local";
  }
  std::string name = buffer.data();
  for (char& c : name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    c = plain ? c : '-';
  }
  return name.empty() ? "local" : name;
}

std::uint64_t memory_bytes() {
  std::uint64_t memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  for (const char* file : {"/sys/fs/cgroup/memory.max",                       // version 2
                           "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {  // version 1
    std::ifstream stream(file);
    std::uint64_t limit = 0;
    if (stream >> limit && limit > 0) {  // "max" is no number
      memory = std::min(memory, limit);
    }
  }
  return memory;
}

}  // namespace tunesmith::provisioner
