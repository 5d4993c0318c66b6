// `tunesmith retry` and `tunesmith dlq` with a real stack.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "bus/connection.h"
#include "cli/stack_fixture.h"
#include "runtime/config.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;

using RepairTest = StackTest;

TEST_F(RepairTest, ARetryIsANewPassOfTheSameGeneration) {
  up();
  const std::string manifest = refused_manifest();
  const auto applied = tunesmith({"apply", "-f", "-"}, manifest);
  ASSERT_EQ(applied.status.code, 0) << applied.error_output;
  EXPECT_EQ(tunesmith({"watch", "a"}).status.code, 1);
  EXPECT_EQ(events_of("a", "plan-rejected").size(), 1u);

  const auto retried = tunesmith({"retry", "a"});
  EXPECT_EQ(retried.status.code, 0) << retried.error_output;
  EXPECT_EQ(retried.output, "workspace.kaito.sh/a retried\n");
  ASSERT_TRUE(becomes([&] { return events_of("a", "plan-rejected").size() == 2; }));
  const auto observed = events_of("a", "workspace-observed");
  ASSERT_EQ(observed.size(), 2u);
  const json& first = observed[0]["data"]["workspace"];
  const json& second = observed[1]["data"]["workspace"];
  EXPECT_EQ(first["generation"], second["generation"]);
  EXPECT_NE(first.value("pass", "0"), second.value("pass", "0"));
  EXPECT_EQ(tunesmith({"apply", "-f", "-"}, manifest).output,
            "configmap/c unchanged\nworkspace.kaito.sh/a unchanged\n");

  const auto missing = tunesmith({"retry", "b", "a"});
  EXPECT_EQ(missing.status.code, 1);
  EXPECT_EQ(missing.error_output, "error: workspaces.kaito.sh \"b\" not found\n");
  EXPECT_EQ(missing.output, "workspace.kaito.sh/a retried\n");
  EXPECT_EQ(tunesmith({"retry", "cm", "c"}).status.code, 2);
}

TEST_F(RepairTest, DeadLettersAreListedAndReplayed) {
  up();
  EXPECT_EQ(tunesmith({"dlq", "list"}).error_output, "No dead letters\n");
  EXPECT_EQ(tunesmith({"dlq", "list", "-o", "json"}).output, "[]\n");

  auto config = ConfigReader::open(paths_.config("admin.yaml"),
                                   [](const std::string&) { return std::optional<std::string>(); });
  ASSERT_TRUE(config) << config.error().message;
  auto connection = bus::Connection::open(bus::ConnectionOptions::from_config(*config, "test"),
                                          Log::silent(), {});
  ASSERT_TRUE(connection) << connection.error().message;
  ASSERT_TRUE(
      (*connection)
          ->publish(
              {.id = "garbage", .token = "nodes-ready", .uid = "u-1", .payload = "\xff no event"}));
  const auto letters_of = [&](const std::string& id, const std::string& consumer) {
    std::vector<json> found;
    for (const json& letter : json::parse(tunesmith({"dlq", "list", "-o", "json"}).output)) {
      const std::string known = letter["event"]["id"];
      if (known.starts_with(id) && letter["consumer"] == consumer) found.push_back(letter);
    }
    return found;
  };
  const std::string consumer = "gpu-worker_nodes-ready";
  ASSERT_TRUE(becomes([&] { return letters_of("garbage", consumer).size() == 1; }));
  const json letter = letters_of("garbage", consumer).front();
  EXPECT_EQ(letter["reason"], "EventUndecodable");
  EXPECT_EQ(letter["event"]["uid"], "u-1");
  const std::string table = tunesmith({"dlq", "list"}).output;
  EXPECT_THAT(table, HasSubstr("NUMBER   AGE"));
  EXPECT_THAT(table, HasSubstr("nodes-ready   u-1   gpu-worker_nodes-ready   EventUndecodable"));

  // Nothing was mended, so the replayed event dies again, with an id of its own.
  const std::string number = std::to_string(letter["number"].get<std::uint64_t>());
  EXPECT_EQ(tunesmith({"dlq", "replay", number}).output, "dead letter " + number + " replayed\n");
  EXPECT_TRUE(becomes([&] { return letters_of("garbage/replay-", consumer).size() == 1; }));

  const auto missing = tunesmith({"dlq", "replay", "4711"});
  EXPECT_EQ(missing.status.code, 1);
  EXPECT_EQ(missing.error_output, "error: no dead letter 4711; see `tunesmith dlq list`\n");
  EXPECT_EQ(tunesmith({"dlq", "replay", "one"}).status.code, 2);
}

}  // namespace
}  // namespace tunesmith::cli
