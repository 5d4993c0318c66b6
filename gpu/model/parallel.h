// The engine's thread pool (libtorch's, which the matrix products use too).
#pragma once

#include <cstdint>
#include <functional>

namespace tunesmith::engine {

// 0 = all cores this process may use. Call once, before anything else of the engine.
void set_threads(int threads);
int threads();

// Runs body(begin, end) on parts of [0, count); parts smaller than `grain` are not made. Returns
// when all are done. Must not be nested.
void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body);

// Runs body(worker) once on each of threads() workers.
void on_each_thread(const std::function<void(int)>& body);

}  // namespace tunesmith::engine
