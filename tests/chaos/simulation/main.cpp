#include <CLI/CLI.hpp>
#include <cstdio>

#include "simulation/runner.h"

using namespace tunesmith::simulation;

int main(int argc, char** argv) {
  CLI::App app("Simulates histories of a whole tunesmith, each decided by its seed.");
  RunOptions options;
  std::uint64_t seed = 0;
  bool forever = false, story = false;
  std::string mutation;
  app.add_option("--from", options.first, "first seed");
  app.add_option("--count", options.count, "number of seeds");
  app.add_flag("--forever", forever, "until it is stopped or a history fails, from --from on");
  app.add_flag("--keep-going", options.keep_going, "go on after a failure");
  auto* one = app.add_option("--seed", seed, "one seed only");
  app.add_flag("--story", story, "tell what happens, also when all goes well");
  app.add_option("--jobs", options.jobs, "processes at a time (default: the cores)");
  app.add_option("--mutation", mutation, "break something on purpose: see simulation/mutation.h");
  CLI11_PARSE(app, argc, argv);
  options.mutation = Mutation::named(mutation);
  if (!mutation.empty() && options.mutation == Mutation::kNone) {
    std::fprintf(stderr, "no mutation is called %s\n", mutation.c_str());
    return 2;
  }
  if (one->count() > 0) {
    const Verdict verdict = run_in_child(seed, true, options.mutation);
    if (story || !verdict.violation.empty()) print_story(verdict, options.mutation);
    return verdict.violation.empty() ? 0 : 1;
  }
  if (forever) options.count = UINT64_MAX - options.first;
  options.progress = true;
  stop_at_signals();
  const Report report = run_many(options);
  print_report(report, options.mutation);
  return report.failures.empty() ? 0 : 1;
}
