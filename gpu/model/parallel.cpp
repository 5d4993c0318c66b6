#include "model/parallel.h"

#include <ATen/Parallel.h>
#include <sched.h>

namespace tunesmith::engine {

void set_threads(int threads) {
  if (threads <= 0) {
    cpu_set_t allowed;
    threads = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
  }
  at::set_num_threads(threads);
}

int threads() { return at::get_num_threads(); }

void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body) {
  at::parallel_for(0, count, grain, body);
}

void on_each_thread(const std::function<void(int)>& body) {
  at::parallel_for(0, threads(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t worker = begin; worker < end; ++worker) body(static_cast<int>(worker));
  });
}

}  // namespace tunesmith::engine
