#include "runtime/process.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <future>

#include "runtime/text.h"

namespace tunesmith {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr seconds kLong{60};

ProcessOptions shell(const std::string& script) { return {.argv = {"sh", "-c", script}}; }

bool is_alive(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  return std::getline(stat, text) && text.find(") Z ") == std::string::npos;
}

// Processes are killed at once but vanish a moment later.
bool ends_soon(pid_t pid) {
  for (int i = 0; i < 2000 && is_alive(pid); ++i) ::usleep(5000);
  return !is_alive(pid);
}

TEST(Process, DeliversAllLinesBeforeItsStatus) {
  std::vector<std::string> lines;
  auto process = Process::start(shell("echo one; echo; printf 'no end'; exit 3"),
                                [&](const std::string& line) { lines.push_back(line); });
  ASSERT_TRUE(process);
  const auto status = process->wait({}, kLong);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, 3);
  EXPECT_THAT(lines, ElementsAre("one", "", "no end"));
  EXPECT_EQ(process->wait({}, kLong)->code, 3);
}

TEST(Process, WaitEndsAtItsLimitAndAtAStop) {
  auto process = Process::start({.argv = {"sleep", "1000"}});
  ASSERT_TRUE(process);
  EXPECT_FALSE(process->wait({}, milliseconds(1)));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(process->wait(stop.get_token(), std::nullopt));
  EXPECT_EQ(process->terminate(kLong).signal, SIGTERM);
}

TEST(Process, TerminateKillsWhoDoesNotListen) {
  std::promise<void> trapped;
  auto process = Process::start(shell("trap '' TERM; echo ready; while :; do sleep 0.1; done"),
                                [&](const std::string&) { trapped.set_value(); });
  ASSERT_TRUE(process);
  trapped.get_future().wait();
  EXPECT_EQ(process->terminate(milliseconds(300)).signal, SIGKILL);
}

TEST(Process, TheWholeGroupEndsWithTheObject) {
  std::promise<std::string> grandchild;
  pid_t child = 0;
  {
    auto process = Process::start(shell("sleep 1000 & echo $!; wait"),
                                  [&](const std::string& line) { grandchild.set_value(line); });
    ASSERT_TRUE(process);
    child = process->pid();
    grandchild.get_future().wait();
  }
  EXPECT_FALSE(is_alive(child));
}

TEST(Process, GrandchildrenEndWithTheObject) {
  std::promise<std::string> told;
  pid_t grandchild = 0;
  {
    auto process = Process::start(shell("sleep 1000 & echo $!; wait"),
                                  [&](const std::string& line) { told.set_value(line); });
    ASSERT_TRUE(process);
    grandchild = std::stoi(told.get_future().get());
    EXPECT_TRUE(is_alive(grandchild));
  }
  EXPECT_TRUE(ends_soon(grandchild));
}

TEST(Process, WhatItLeavesBehindEndsWhenItExits) {
  std::string grandchild;
  auto process = Process::start(shell("sleep 1000 & echo $!"),
                                [&](const std::string& line) { grandchild = line; });
  ASSERT_TRUE(process);
  ASSERT_TRUE(process->wait({}, kLong));  // although the grandchild still holds the pipe
  EXPECT_TRUE(ends_soon(std::stoi(grandchild)));
}

TEST(Process, DiesWithItsParentEvenWhenThatIsKilled) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    auto process = Process::start({.argv = {"sleep", "1000"}});
    const pid_t pid = process ? process->pid() : 0;
    [[maybe_unused]] const auto n = ::write(pipe[1], &pid, sizeof pid);
    ::pause();
  }
  pid_t child = 0;
  ASSERT_EQ(::read(pipe[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  ASSERT_GT(child, 0);
  EXPECT_TRUE(is_alive(child));
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  EXPECT_TRUE(ends_soon(child));
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(Process, HandsOnEnvironmentFolderInputAndLog) {
  const std::string folder = testing::TempDir();
  const std::string log = folder + "/process_test_" + std::to_string(::getpid()) + ".log";
  std::vector<std::string> lines;
  auto process = Process::start({.argv = {"sh", "-c", "echo $MARK; pwd; cat; echo problem >&2"},
                                 .environment = {{"MARK", "here"}},
                                 .working_directory = "/",
                                 .input = "from input",
                                 .log_file = log},
                                [&](const std::string& line) { lines.push_back(line); });
  ASSERT_TRUE(process);
  ASSERT_TRUE(process->wait({}, kLong));
  EXPECT_THAT(lines, ElementsAre("here", "/", "from input"));
  EXPECT_EQ(read_file(log).value_or(""), "problem\n");
  std::filesystem::remove(log);
}

TEST(Process, ChildrenGetNormalSignalHandling) {
  sigset_t set;
  sigset_t before;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &set, &before);
  auto process = Process::start({.argv = {"sleep", "1000"}});
  ASSERT_TRUE(process);
  EXPECT_EQ(process->terminate(kLong).signal, SIGTERM);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(Process, SaysWhyItCannotStart) {
  const auto missing = Process::start({.argv = {"no-such-program-of-ours"}});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, "ProcessFailed");
  EXPECT_THAT(missing.error().message, HasSubstr("cannot start no-such-program-of-ours: No such"));
  EXPECT_FALSE(Process::start({.argv = {"/etc/passwd"}}));
  EXPECT_FALSE(Process::start({.argv = {"true"}, .working_directory = "/no/such/folder"}));
}

TEST(RunProcess, CollectsBothStreams) {
  const auto done = run_process(
      {.argv = {"sh", "-c", "cat; echo bad >&2; exit 7"}, .input = std::string(300'000, 'x')},
      kLong, {});
  ASSERT_TRUE(done);
  EXPECT_EQ(done->status.code, 7);
  EXPECT_EQ(done->output.size(), 300'000u);
  EXPECT_EQ(done->error_output, "bad\n");
}

TEST(RunProcess, KeepsToItsBounds) {
  const auto cut =
      run_process(shell("head -c 1000000 /dev/zero; head -c 20000 /dev/zero >&2"), kLong, {}, 1000);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->output.size(), 1000u);
  EXPECT_EQ(cut->error_output.size(), 8192u);
}

TEST(RunProcess, KillsAtTheLimitAndAtAStop) {
  const auto late = run_process({.argv = {"sleep", "1000"}}, milliseconds(50), {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, "TimedOut");
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = run_process({.argv = {"sleep", "1000"}}, kLong, stop.get_token());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().reason, "Stopped");
}

TEST(RunProcess, AChildThatDoesNotReadItsInputIsNoProblem) {
  const auto done =
      run_process({.argv = {"true"}, .input = std::string(1'000'000, 'x')}, kLong, {});
  ASSERT_TRUE(done);
  EXPECT_EQ(done->status.code, 0);
}

TEST(Process, ABareEnvironmentHoldsNoSecrets) {
  ::setenv("HF_TOKEN", "secret", 1);  // NOLINT(concurrency-mt-unsafe): no other thread runs
  ::setenv("LC_ALL", "C", 1);         // NOLINT(concurrency-mt-unsafe)
  const auto with = run_process({.argv = {"/usr/bin/env"}}, std::chrono::seconds(60), {});
  const auto bare = run_process(
      {.argv = {"/usr/bin/env"}, .environment = {{"RANK", "0"}}, .bare_environment = true},
      std::chrono::seconds(60), {});
  ::unsetenv("HF_TOKEN");  // NOLINT(concurrency-mt-unsafe)
  ASSERT_TRUE(with && bare);
  EXPECT_NE(with->output.find("HF_TOKEN=secret"), std::string::npos);
  EXPECT_EQ(bare->output.find("HF_TOKEN"), std::string::npos);
  EXPECT_NE(bare->output.find("RANK=0"), std::string::npos);
  EXPECT_NE(bare->output.find("LC_ALL=C"), std::string::npos);
}

}  // namespace
}  // namespace tunesmith
