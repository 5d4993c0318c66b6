// Many histories, in children of this process: what killed services held goes with the child, and a
// crash of one history is a verdict like any other.
#pragma once

#include <cstdint>
#include <vector>

#include "simulation/history.h"

namespace tunesmith::simulation {

struct RunOptions {
  std::uint64_t first = 1, count = 1'000;
  unsigned jobs = 0;  // 0 = the cores
  Mutation::Kind mutation = Mutation::kNone;
  bool keep_going = false;  // after a failure; else the rest is not begun
  bool progress = false;    // a line on standard output from time to time
};

struct Report {
  std::uint64_t histories = 0, switches = 0;
  double seconds = 0, virtual_hours = 0;
  std::vector<Verdict> failures;      // without their stories
  std::map<std::string, int> deaths;  // where processes died, in all histories
};

Report run_many(const RunOptions& options);
// SIGINT and SIGTERM end run_many() early; what it found until then is its report.
void stop_at_signals();
Verdict run_in_child(std::uint64_t seed, bool story, Mutation::Kind mutation);

void print_story(const Verdict& verdict, Mutation::Kind mutation);
// Counts, and the story of the first failure with the command that replays it.
void print_report(const Report& report, Mutation::Kind mutation);

}  // namespace tunesmith::simulation
