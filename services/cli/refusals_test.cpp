// What the command refuses without a stack.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/session.h"
#include "cli/stack_commands.h"
#include "cli/up_protocol.h"
#include "fakes/memory_bus.h"
#include "temp_folder.h"

namespace tunesmith::cli {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(Refusals, AnObjectThatIsNotThereOrIsNone) {
  Session session;
  auto bucket = std::make_unique<fakes::MemoryKeyValue>();
  ASSERT_TRUE(bucket->put(key_of(Kind::kWorkspace, "default", "odd"), "[1]"));
  session.workspaces = std::move(bucket);
  const auto missing = get_object(session, Kind::kWorkspace, "default", "gone");
  EXPECT_EQ(missing.error().reason, "NotFound");
  EXPECT_THAT(missing.error().message, HasSubstr("\"gone\" not found"));
  EXPECT_EQ(get_object(session, Kind::kWorkspace, "default", "odd").error().reason,
            "ObjectUndecodable");
}

TEST(Refusals, AStackThatIsJustBeingStarted) {
  const testing_support::TempFolder temporary;
  const std::filesystem::path& folder = temporary.path();
  const int lock = ::open((folder / "stack.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  std::ostringstream out;
  EXPECT_EQ(down(folder, out).error().reason, "StackStarting");
  ::close(lock);
  EXPECT_TRUE(down(folder, out));
}

// The supervisor's pipe, both ends in one process.
struct Pipe {
  Pipe() { EXPECT_EQ(::pipe(ends), 0); }
  ~Pipe() { ::close(ends[0]); }
  int ends[2] = {-1, -1};
};

TEST(Refusals, AStartThatFailsEndsOrTakesTooLong) {
  const auto nobody = [](const std::string&) {};
  {
    Pipe pipe;
    UpReporter(pipe.ends[1]).failed("nats-server cannot be started");
    const auto failed = follow_start(pipe.ends[0], 60s, nobody);
    EXPECT_EQ(failed.error().reason, "StackNotStarted");
    EXPECT_EQ(failed.error().message, "nats-server cannot be started");
  }
  {
    Pipe pipe;
    ::close(pipe.ends[1]);
    EXPECT_EQ(follow_start(pipe.ends[0], 60s, nobody).error().reason, "StackNotStarted");
  }
  Pipe pipe;
  const UpReporter silent(pipe.ends[1]);
  EXPECT_EQ(follow_start(pipe.ends[0], 10ms, nobody).error().reason, "StartTimedOut");
}

}  // namespace
}  // namespace tunesmith::cli
