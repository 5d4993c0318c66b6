#include "runtime/hardening.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string_view>

namespace tunesmith {

void harden_process(bool allow_core_dumps) {
  ::umask(077);
  if (allow_core_dumps) return;
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__)  // its leak check looks into the process by ptrace
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

bool core_dumps_allowed() {
  const char* value =
      std::getenv("TUNESMITH_ALLOW_CORE_DUMPS");  // NOLINT(concurrency-mt-unsafe): read only
  return value != nullptr && std::string_view(value) == "1";
}

}  // namespace tunesmith
