#include "simulation/runner.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "simulation/world.h"

namespace tunesmith::simulation {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kPerChild = 25;

json to_json(const Verdict& verdict) {
  return {{"seed", verdict.seed},
          {"violation", verdict.violation},
          {"story", verdict.story},
          {"switches", verdict.switches},
          {"virtual", verdict.virtual_seconds},
          {"deaths", verdict.deaths}};
}

Verdict from_json(const json& object) {
  Verdict verdict;
  verdict.seed = object.at("seed");
  verdict.violation = object.at("violation");
  verdict.story = object.at("story").get<std::vector<std::string>>();
  verdict.switches = object.at("switches");
  verdict.virtual_seconds = object.at("virtual");
  verdict.deaths = object.at("deaths").get<std::map<std::string, int>>();
  return verdict;
}

// Where the histories of a child have their files: in memory where the machine offers that. Removed
// by the parent, however the child ends.
std::filesystem::path folder_of(pid_t child) {
  std::error_code error;
  const auto base = std::filesystem::is_directory("/dev/shm", error)
                        ? std::filesystem::path("/dev/shm")
                        : std::filesystem::temp_directory_path();
  return base / ("tunesmith-simulation-" + std::to_string(child));
}

void end_child(pid_t pid, int& status) {
  ::waitpid(pid, &status, 0);
  std::error_code ignored;
  std::filesystem::remove_all(folder_of(pid), ignored);
}

volatile std::sig_atomic_t asked_to_stop = 0;

struct Child {
  pid_t pid = -1;
  int output = -1;
  std::uint64_t first = 0, next = 0, end = 0;  // seeds; `next` is the one under way
  std::string unread;
};

// What a child is at, for when it crashes: its verdict is told before it ends.
struct UnderWay {
  std::uint64_t seed = 0;
  std::FILE* out = nullptr;
} under_way;

void tell(std::FILE* out, const Verdict& verdict) {
  const std::string line = to_json(verdict).dump(-1, ' ', false, json::error_handler_t::replace);
  std::fprintf(out, "%s\n", line.c_str());
  std::fflush(out);
}

[[noreturn]] void tell_crash(int number) {
  std::signal(number, SIG_DFL);
  Verdict verdict;
  verdict.seed = under_way.seed;
  verdict.violation = fmt::format("{} crashed with signal {}",
                                  world() == nullptr ? "the simulation" : world()->who(), number);
  if (world() != nullptr) verdict.story = world()->story().lines();
  tell(under_way.out, verdict);
  ::_exit(1);
}

Child start(std::uint64_t first, std::uint64_t end, bool story, Mutation::Kind mutation) {
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) std::abort();
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(pipe_ends[0]);
    std::FILE* out = ::fdopen(pipe_ends[1], "w");
    std::signal(SIGINT, SIG_IGN);  // the parent's matter
    for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(number, tell_crash);
    for (std::uint64_t seed = first; seed < end; ++seed) {
      under_way = {seed, out};
      tell(out, run_history(seed, story, mutation, folder_of(::getpid())));
    }
    ::_exit(0);  // no destructors: this is a copy
  }
  ::close(pipe_ends[1]);
  return {pid, pipe_ends[0], first, first, end, {}};
}

// Reads what is there; false at the end of the child.
bool read_some(Child& child, const std::function<void(Verdict)>& on_verdict) {
  char buffer[65536];
  const ssize_t count = ::read(child.output, buffer, sizeof buffer);
  if (count > 0) {
    child.unread.append(buffer, static_cast<std::size_t>(count));
    for (auto end = child.unread.find('\n'); end != std::string::npos;
         end = child.unread.find('\n')) {
      on_verdict(from_json(json::parse(child.unread.substr(0, end))));
      child.unread.erase(0, end + 1);
      ++child.next;
    }
    return true;
  }
  ::close(child.output);
  int status = 0;
  end_child(child.pid, status);
  if (child.next < child.end) {
    Verdict crashed;
    crashed.seed = child.next;
    crashed.violation = WIFSIGNALED(status)
                            ? fmt::format("the simulation was ended by signal {}", WTERMSIG(status))
                            : fmt::format("the simulation ended with {}", WEXITSTATUS(status));
    on_verdict(std::move(crashed));
    ++child.next;
  }
  return false;
}

const char* name_of(Mutation::Kind kind) {
  for (const auto& named : Mutation::all()) {
    if (named.kind == kind) return named.name;
  }
  return "";
}

}  // namespace

Report run_many(const RunOptions& options) {
  Report report;
  const auto begun = Clock::now();
  auto told = begun;
  const unsigned jobs =
      options.jobs != 0 ? options.jobs : std::max(1u, std::thread::hardware_concurrency());
  std::uint64_t next = options.first;
  const std::uint64_t end = options.first + options.count;
  std::vector<Child> children;
  const auto wants_more = [&] {
    return next < end && (options.keep_going || report.failures.empty());
  };
  while (true) {
    while (children.size() < jobs && wants_more()) {
      const std::uint64_t last = std::min(end, next + kPerChild);
      children.push_back(start(next, last, false, options.mutation));
      next = last;
    }
    if (children.empty()) break;
    std::vector<pollfd> ready;
    for (const Child& child : children) ready.push_back({child.output, POLLIN, 0});
    if (asked_to_stop != 0) break;
    ::poll(ready.data(), ready.size(), -1);
    for (std::size_t i = ready.size(); i-- > 0;) {
      if (ready[i].revents == 0) continue;
      const bool goes_on = read_some(children[i], [&](Verdict verdict) {
        ++report.histories;
        report.switches += verdict.switches;
        report.virtual_hours += static_cast<double>(verdict.virtual_seconds) / 3600;
        for (const auto& [place, count] : verdict.deaths) report.deaths[place] += count;
        if (!verdict.violation.empty()) {
          if (options.progress)
            std::printf("seed %llu: %s\n", static_cast<unsigned long long>(verdict.seed),
                        verdict.violation.c_str());
          report.failures.push_back(std::move(verdict));
        }
      });
      if (goes_on) continue;
      const Child ended = children[i];
      children.erase(children.begin() + static_cast<std::ptrdiff_t>(i));
      if (ended.next < ended.end && wants_more()) {
        children.push_back(start(ended.next, ended.end, false, options.mutation));
      }
    }
    if (options.progress && Clock::now() - told > std::chrono::seconds(10)) {
      told = Clock::now();
      std::printf("%llu histories, %zu failures\n",
                  static_cast<unsigned long long>(report.histories), report.failures.size());
      std::fflush(stdout);
    }
  }
  for (const Child& child : children) {
    int status = 0;
    ::kill(child.pid, SIGKILL);
    end_child(child.pid, status);
  }
  report.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  return report;
}

void stop_at_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { asked_to_stop = 1; };  // no SA_RESTART: it ends the poll
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

Verdict run_in_child(std::uint64_t seed, bool story, Mutation::Kind mutation) {
  Verdict result;
  Child child = start(seed, seed + 1, story, mutation);
  while (read_some(child, [&](Verdict verdict) { result = std::move(verdict); })) {
  }
  return result;
}

void print_story(const Verdict& verdict, Mutation::Kind mutation) {
  for (const auto& line : verdict.story) std::printf("%s\n", line.c_str());
  const std::string with =
      mutation == Mutation::kNone ? "" : fmt::format(" --mutation {}", name_of(mutation));
  std::printf("\nseed %llu: %s\nreplay: bin/tunesmith-simulate --seed %llu --story%s\n",
              static_cast<unsigned long long>(verdict.seed),
              verdict.violation.empty() ? "all promises kept" : verdict.violation.c_str(),
              static_cast<unsigned long long>(verdict.seed), with.c_str());
}

void print_report(const Report& report, Mutation::Kind mutation) {
  std::printf(
      "%llu histories in %.1f s: %.0f hours of virtual time, %llu million switches, %zu failures\n",
      static_cast<unsigned long long>(report.histories), report.seconds, report.virtual_hours,
      static_cast<unsigned long long>(report.switches / 1'000'000), report.failures.size());
  std::size_t places = report.deaths.size();
  int deaths = 0;
  for (const auto& [place, count] : report.deaths) deaths += count;
  std::printf("processes died %d times at %zu different steps\n", deaths, places);
  if (report.failures.empty()) return;
  print_story(run_in_child(report.failures.front().seed, true, mutation), mutation);
}

}  // namespace tunesmith::simulation
