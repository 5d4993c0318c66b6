#include "runtime/config.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "runtime/text.h"

namespace tunesmith {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

class ConfigTest : public testing::Test {
 protected:
  ~ConfigTest() override { std::filesystem::remove(file_); }
  Result<ConfigReader> open(const std::string& text) {
    EXPECT_TRUE(write_file(file_, text));
    return ConfigReader::open(file_, environment());
  }
  ConfigReader::Environment environment() {
    return [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      if (found == variables_.end()) return std::nullopt;
      return found->second;
    };
  }
  std::filesystem::path file_ =
      testing::TempDir() + "/config_" + std::to_string(::getpid()) + ".yaml";
  std::map<std::string, std::string> variables_;
};

TEST_F(ConfigTest, ReadsEveryType) {
  auto config = open(
      "text: hello\ncount: 7\nrate: 2.5\non: true\nwait: 10m\n"
      "hosts: [a, b]\nmap: {\"x:443\": \"127.0.0.1:1\"}\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->text("text", ""), "hello");
  EXPECT_EQ(config->integer("count", 1, 0, 10), 7);
  EXPECT_EQ(config->number("rate", 1, 0, 10), 2.5);
  EXPECT_TRUE(config->boolean("on", false));
  EXPECT_EQ(config->duration("wait", milliseconds(1)), milliseconds(600'000));
  EXPECT_THAT(config->texts("hosts", {}), ElementsAre("a", "b"));
  EXPECT_THAT(config->text_map("map"), ElementsAre(Pair("x:443", "127.0.0.1:1")));
  EXPECT_TRUE(config->finish());
}

TEST_F(ConfigTest, MissingKeysGiveTheFallback) {
  auto config = open("empty:\n");
  EXPECT_EQ(config->text("empty", "x"), "x");
  EXPECT_EQ(config->duration("wait", milliseconds(5)), milliseconds(5));
  EXPECT_THAT(config->texts("hosts", {"c"}), ElementsAre("c"));
  EXPECT_TRUE(config->finish());
}

TEST_F(ConfigTest, VariablesWinOverTheFileAlsoForListsAndMaps) {
  variables_ = {{"TUNESMITH_NATS_URL", "nats://b"},
                {"TUNESMITH_HOSTS", "[c, d]"},
                {"TUNESMITH_MAP", "{k: v}"},
                {"HTTPS_PROXY", "http://p:1"}};
  auto config = open("nats_url: nats://a\nhosts: [a]\n");
  EXPECT_EQ(config->required_text("nats_url"), "nats://b");
  EXPECT_THAT(config->texts("hosts", {}), ElementsAre("c", "d"));
  EXPECT_THAT(config->text_map("map"), ElementsAre(Pair("k", "v")));
  EXPECT_EQ(config->variable("HTTPS_PROXY"), "http://p:1");
  EXPECT_TRUE(config->finish());
}

TEST_F(ConfigTest, TellsEveryProblemAtOnce) {
  auto config = open("count: many\nwait: 5\non: yes\nhosts: a\nmap: [a]\nnats_ur: x\nrate: 99\n");
  config->integer("count", 1, 0, 10);
  config->duration("wait", milliseconds(1));
  config->boolean("on", false);
  config->texts("hosts", {});
  config->text_map("map");
  config->number("rate", 1, 0, 10);
  config->required_text("nats_url");
  const auto result = config->finish();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, "ConfigInvalid");
  EXPECT_THAT(result.error().message,
              AllOf(HasSubstr(file_.string()),
                    HasSubstr("key 'count': expected a whole number from 0 to 10, found 'many'"),
                    HasSubstr("key 'wait': expected a duration like 250ms, 30s, 10m or 24h"),
                    HasSubstr("key 'on'"), HasSubstr("key 'hosts'"), HasSubstr("key 'map'"),
                    HasSubstr("key 'rate'"), HasSubstr("TUNESMITH_NATS_URL"),
                    HasSubstr("key 'nats_ur': unknown")));
}

TEST_F(ConfigTest, DurationsKnowFourUnits) {
  auto config = open("a: 250ms\nb: 30s\nc: 2m\nd: 24h\ne: 0s\n");
  EXPECT_EQ(config->duration("a", {}), milliseconds(250));
  EXPECT_EQ(config->duration("b", {}), std::chrono::seconds(30));
  EXPECT_EQ(config->duration("c", {}), std::chrono::minutes(2));
  EXPECT_EQ(config->duration("d", {}), std::chrono::hours(24));
  EXPECT_EQ(config->duration("e", milliseconds(9)), milliseconds(0));
  EXPECT_TRUE(config->finish());
}

TEST_F(ConfigTest, WithoutAFileTheEnvironmentSuffices) {
  variables_ = {{"TUNESMITH_NATS_URL", "nats://b"}};
  auto config = ConfigReader::open("", environment());
  ASSERT_TRUE(config);
  EXPECT_EQ(config->required_text("nats_url"), "nats://b");
  EXPECT_TRUE(config->finish());
}

TEST_F(ConfigTest, RefusesFilesThatAreNoMapping) {
  EXPECT_FALSE(open("- a\n- b\n"));
  EXPECT_FALSE(open("a: [b\n"));
  EXPECT_FALSE(ConfigReader::open("/nonexistent/x.yaml", environment()));
  EXPECT_TRUE(open(""));
}

}  // namespace
}  // namespace tunesmith
