#include "runtime/service.h"

#include <gmock/gmock.h>
#include <prometheus/counter.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "runtime/hardening.h"
#include "runtime/http_client.h"
#include "runtime/process.h"
#include "runtime/text.h"

namespace tunesmith {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

// Runs a service in a child process, as signals and standard error belong to a process.
class ServiceTest : public testing::Test {
 protected:
  ServiceTest() { fs::create_directories(folder_); }
  ~ServiceTest() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    fs::remove_all(folder_);
  }
  void start(std::vector<std::string> arguments,
             const std::function<Result<void>(ServiceContext&)>& run) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    arguments.insert(arguments.begin(), "tunesmith-test");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    if (std::freopen((folder_ / "log").c_str(), "w", stderr) == nullptr) ::_exit(99);
    ::_exit(run_service("test", static_cast<int>(argv.size()), argv.data(), run));
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  std::string log() { return read_file(folder_ / "log").value_or(""); }
  // Waits until the file is there.
  std::string content(const fs::path& file) {
    for (int i = 0; i < 4000 && !fs::exists(file); ++i) ::usleep(5000);
    return read_file(file).value_or("");
  }

  fs::path folder_ = testing::TempDir() + "/service_test_" + std::to_string(::getpid());
  pid_t pid_ = 0;
};

Result<void> serve(ServiceContext& context) {
  if (auto read = context.config.finish(); !read) return read;
  auto ready = std::make_shared<std::atomic<bool>>(false);
  prometheus::BuildCounter()
      .Name("tunesmith_things_total")
      .Register(*context.registry)
      .Add({})
      .Increment();
  auto admin = serve_admin(
      context, [] { return std::nullopt; },
      [] { return std::optional<std::string>("the bus is not connected"); });
  if (!admin) return tl::unexpected(admin.error());
  context.shutdown.wait();
  return {};
}

TEST_F(ServiceTest, ServesUntilSigtermAndTellsItsPort) {
  ASSERT_TRUE(write_file(folder_ / "config.yaml",
                         "port_file: " + (folder_ / "port").string() + "\nlog_level: info\n"));
  start({"--config", folder_ / "config.yaml"}, serve);
  const std::string port = content(folder_ / "port");
  ASSERT_FALSE(port.empty()) << log();
  const HttpClient http({});
  const auto get = [&](const std::string& path) {
    return http.send({.url = "http://127.0.0.1:" + port.substr(0, port.size() - 1) + path});
  };
  const auto healthy = get("/healthz");
  ASSERT_TRUE(healthy) << healthy.error().message;
  EXPECT_EQ(healthy->status, 200);
  EXPECT_EQ(healthy->body, "ok\n");
  EXPECT_EQ(get("/readyz")->status, 503);
  EXPECT_EQ(get("/readyz")->body, "the bus is not connected\n");
  EXPECT_THAT(get("/metrics")->body, HasSubstr("tunesmith_things_total 1"));
  EXPECT_EQ(get("/other")->status, 404);
  ::kill(pid_, SIGTERM);
  EXPECT_EQ(wait(), 0);
  EXPECT_THAT(log(), HasSubstr(R"("message":"listening","admin_port":)"));
}

TEST_F(ServiceTest, AFailureBecomesOneLogLineAndExitCode1) {
  start({}, [](ServiceContext&) -> Result<void> {
    return permanent("BusNotInitialised", "no stream");
  });
  EXPECT_EQ(wait(), 1);
  EXPECT_THAT(log(), HasSubstr(R"("message":"no stream","reason":"BusNotInitialised")"));
}

TEST_F(ServiceTest, UnknownKeysAndArgumentsAreRefused) {
  ASSERT_TRUE(write_file(folder_ / "config.yaml", "nonsense: 1\n"));
  start({"--config=" + (folder_ / "config.yaml").string()}, serve);
  EXPECT_EQ(wait(), 1);
  EXPECT_THAT(log(), HasSubstr("key 'nonsense': unknown"));
  start({"--wrong"}, serve);
  EXPECT_EQ(wait(), 2);
}

TEST_F(ServiceTest, ASecondSignalEndsItAtOnce) {
  start({}, [this](ServiceContext& context) -> Result<void> {
    EXPECT_TRUE(write_file(folder_ / "up", "1"));
    context.shutdown.wait();
    EXPECT_TRUE(write_file(folder_ / "stopping", "1"));
    ::pause();
    return {};
  });
  content(folder_ / "up");
  ::kill(pid_, SIGTERM);
  content(folder_ / "stopping");
  ::kill(pid_, SIGINT);
  EXPECT_EQ(wait(), 1);
}

TEST(Shutdown, CanBeRequestedFromInside) {
  Shutdown shutdown;
  EXPECT_FALSE(shutdown.token().stop_requested());
  std::thread other([&] { shutdown.request(); });
  shutdown.wait();
  EXPECT_TRUE(shutdown.token().stop_requested());
  other.join();
}

TEST(AdminServer, RefusesAddressesItCannotServe) {
  const auto registry = std::make_shared<prometheus::Registry>();
  const auto nonsense = AdminServer::start("localhost", registry, nullptr, nullptr);
  ASSERT_FALSE(nonsense);
  EXPECT_EQ(nonsense.error().reason, "ConfigInvalid");
  const auto first = AdminServer::start("127.0.0.1:0", registry, nullptr, nullptr);
  ASSERT_TRUE(first);
  const auto foreign = AdminServer::start("192.0.2.1:0", registry, nullptr, nullptr);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().reason, "AddressInUse");
}

TEST(AdminServer, StopsAtOnceAlsoRightAfterStart) {
  const auto registry = std::make_shared<prometheus::Registry>();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(AdminServer::start("127.0.0.1:0", registry, nullptr, nullptr));
  }
}

TEST_F(ServiceTest, KeepsItsFilesAndItsMemoryToItself) {
  start({}, [&](ServiceContext&) -> Result<void> {
    rlimit core{};
    ::getrlimit(RLIMIT_CORE, &core);
    const mode_t mask = ::umask(077);
    std::ofstream(folder_ / "facts")
        << std::oct << mask << " " << core.rlim_max << " " << ::prctl(PR_GET_DUMPABLE);
    return {};
  });
  int status = -1;
  ::waitpid(std::exchange(pid_, 0), &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(folder_ / "facts").value_or(""), "77 0 0");
}

TEST(AdminServer, TakesNothingAndTellsNothingElse) {
  const auto server =
      AdminServer::start("127.0.0.1:0", std::make_shared<prometheus::Registry>(), {}, {});
  ASSERT_TRUE(server);
  const std::string url = "http://127.0.0.1:" + std::to_string((*server)->port());
  const HttpClient http({});
  const auto status_of = [&](const HttpRequest& request) {
    const auto answer = http.send(request);
    return answer ? answer->status : 0;  // 0 = it hung up
  };
  EXPECT_EQ(status_of({.url = url + "/metrics"}), 200);
  EXPECT_EQ(status_of({.url = url + "/../etc/passwd"}), 404);
  EXPECT_NE(status_of({.method = "POST", .url = url + "/metrics", .body = "x"}), 200);
  EXPECT_NE(
      status_of({.method = "PUT", .url = url + "/healthz", .body = std::string(1 << 20, 'x')}),
      200);
  EXPECT_NE(
      status_of({.url = url + "/metrics", .headers = {{"X-Long", std::string(100'000, 'x')}}}),
      200);
  EXPECT_EQ(status_of({.url = url + "/healthz"}), 200);  // it is still there
}

TEST(Hardening, OnlyTheOperatorsExplicitWordAllowsCoreDumps) {
  for (const auto& [value, allowed] : {std::pair("1", true), {"0", false}, {"", false}}) {
    ::setenv("TUNESMITH_ALLOW_CORE_DUMPS", value, 1);  // NOLINT(concurrency-mt-unsafe)
    EXPECT_EQ(core_dumps_allowed(), allowed) << value;
  }
  ::unsetenv("TUNESMITH_ALLOW_CORE_DUMPS");  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace
}  // namespace tunesmith
