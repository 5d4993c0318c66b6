// Getting into a real server: TLS with an authority of the test's own, client certificates, and
// user tokens (.creds) of NATS's decentralised authentication.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "bus/nats_bus_fixture.h"
#include "bus/permissions.h"
#include "nats_jwt.h"
#include "runtime/process.h"
#include "runtime/text.h"

namespace tunesmith::bus {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using testing::NatsBinary;
using testing::NatsKeyKind;
using testing::NatsServer;
using ::testing::Not;

// Certificates for `localhost` (server), `elsewhere.example` (a server of another name), a client.
class AccessTest : public ::testing::TestWithParam<NatsBinary> {
 protected:
  static void SetUpTestSuite() {
    folder() = ::testing::TempDir() + "/nats_access_" + std::to_string(::getpid());
    fs::create_directories(folder());
    const std::string script = R"(
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other-ca -keyout other.key -out other.pem
for name in localhost elsewhere.example client; do
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name -keyout $name.key -out $name.csr
  printf "subjectAltName=DNS:$name" > ext
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out $name.pem
done)";
    const auto made = run_process({.argv = {"sh", "-ec", script}, .working_directory = folder()},
                                  std::chrono::minutes(1), {});
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_EQ(made->status.code, 0) << made->error_output;
  }
  static void TearDownTestSuite() { fs::remove_all(folder()); }
  static std::string& folder() {
    static std::string path;
    return path;
  }
  static std::string file(const std::string& name) { return folder() + "/" + name; }

  // A server with this configuration beside what the flags say.
  static std::unique_ptr<NatsServer> serve(const std::string& configuration) {
    static_cast<void>(write_file(file("nats.conf"), configuration));
    return std::make_unique<NatsServer>(GetParam(),
                                        std::vector<std::string>{"-c", file("nats.conf")});
  }
  static std::unique_ptr<NatsServer> serve_tls(const std::string& certificate,
                                               const std::string& more = "") {
    return serve("tls { cert_file: \"" + file(certificate + ".pem") + "\", key_file: \"" +
                 file(certificate + ".key") + "\", timeout: 10" + more + " }\n");
  }
  static std::string port_of(const NatsServer& server) {
    return server.url().substr(server.url().rfind(':'));
  }
  Result<std::unique_ptr<Connection>> open(ConnectionOptions options) {
    options.name = "test";
    options.connect_timeout = std::chrono::seconds(30);
    return Connection::open(options, log_, {});
  }
  // Whether one attempt gets in.
  bool gets_in(ConnectionOptions options) {
    options.name = "test";
    options.connect_timeout = std::chrono::milliseconds(1);
    return Connection::open(options, log_, {}).has_value();
  }
  Log log_ = Log::silent();
};

TEST_P(AccessTest, TlsWithAPrivateAuthority) {
  const auto server = serve_tls("localhost");
  for (const char* scheme : {"tls://localhost", "nats://localhost"}) {
    auto connection = open({.url = scheme + port_of(*server), .ca_file = file("ca.pem")});
    ASSERT_TRUE(connection) << connection.error().message;
    EXPECT_TRUE(init_topology(**connection, {}));
    EXPECT_TRUE((*connection)->key_value(bucket::kCurrent));
  }
}

TEST_P(AccessTest, AServerThatCannotProveItsNameIsNotSpokenTo) {
  {
    const auto server = serve_tls("localhost");
    EXPECT_FALSE(
        gets_in({.url = "tls://localhost" + port_of(*server), .ca_file = file("other.pem")}))
        << "an unknown authority";
    EXPECT_FALSE(gets_in({.url = "tls://localhost" + port_of(*server)}))
        << "the system's authorities";
    EXPECT_FALSE(gets_in({.url = "nats://localhost" + port_of(*server)})) << "without TLS";
  }
  const auto elsewhere = serve_tls("elsewhere.example");
  EXPECT_FALSE(gets_in({.url = "tls://localhost" + port_of(*elsewhere), .ca_file = file("ca.pem")}))
      << "a certificate for another name";
}

TEST_P(AccessTest, AClientCertificateIsShownWhenTheServerWantsOne) {
  const auto server = serve_tls("localhost", ", verify: true, ca_file: \"" + file("ca.pem") + "\"");
  const std::string url = "tls://localhost" + port_of(*server);
  EXPECT_FALSE(gets_in({.url = url, .ca_file = file("ca.pem")}));
  const auto connection = open({.url = url,
                                .ca_file = file("ca.pem"),
                                .certificate_file = file("client.pem"),
                                .key_file = file("client.key")});
  EXPECT_TRUE(connection) << connection.error().message;
}

// An account with one user, who may do what the planner may.
struct Tokens {
  testing::NatsKey user = make_nats_key(NatsKeyKind::kUser);
  std::string user_jwt, configuration;

  Tokens() {
    const auto root = make_nats_key(NatsKeyKind::kOperator);
    const auto account = make_nats_key(NatsKeyKind::kAccount);
    const auto system = make_nats_key(NatsKeyKind::kAccount);
    const json limits = {{"subs", -1},         {"data", -1},    {"payload", -1},
                         {"imports", -1},      {"exports", -1}, {"wildcards", true},
                         {"conn", -1},         {"leaf", -1},    {"mem_storage", -1},
                         {"disk_storage", -1}, {"streams", -1}, {"consumer", -1}};
    const json plain = {{"limits", {{"subs", -1}, {"conn", -1}, {"data", -1}, {"payload", -1}}},
                        {"type", "account"},
                        {"version", 2}};
    const auto token = [&](const testing::NatsKey& key, const std::string& name, const json& nats) {
      return make_nats_jwt(root, key.public_key, name, nats);
    };
    configuration =
        "operator: " + token(root, "root", {{"type", "operator"}, {"version", 2}}) +
        "\nsystem_account: " + system.public_key + "\nresolver: MEMORY\nresolver_preload {\n  " +
        account.public_key + ": " +
        token(account, "app", {{"limits", limits}, {"type", "account"}, {"version", 2}}) + "\n  " +
        system.public_key + ": " + token(system, "system", plain) + "\n}\n";
    const auto permissions = permissions_of(*find_grant("planner"));
    user_jwt = make_nats_jwt(account, user.public_key, "planner",
                             {{"pub", {{"allow", permissions.publish}}},
                              {"sub", {{"allow", permissions.subscribe}}},
                              {"subs", -1},
                              {"data", -1},
                              {"payload", -1},
                              {"type", "user"},
                              {"version", 2}});
  }
};

TEST_P(AccessTest, CredentialsFilesAreUsedAndTheirPermissionsHold) {
  const Tokens tokens;
  const auto server = serve(tokens.configuration);
  ASSERT_TRUE(write_file(file("planner.creds"), make_nats_creds(tokens.user_jwt, tokens.user)));
  auto connection = open({.url = server->url(),
                          .credentials_file = file("planner.creds"),
                          .inbox_prefix = inbox_prefix_of("planner")});
  ASSERT_TRUE(connection) << connection.error().message;
  const auto refused =
      (*connection)
          ->publish({.id = "u1/1/0/tuning-started", .token = "tuning-started", .uid = "u1"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "BusNotPermitted") << refused.error().message;

  const Tokens strangers;
  ASSERT_TRUE(
      write_file(file("stranger.creds"), make_nats_creds(strangers.user_jwt, strangers.user)));
  const auto stranger = open({.url = server->url(), .credentials_file = file("stranger.creds")});
  ASSERT_FALSE(stranger);
  EXPECT_EQ(stranger.error().reason, "BusAuthentication") << stranger.error().message;
}

TEST_P(AccessTest, APasswordInTheUrlIsRefusedWithoutBeingRepeated) {
  const auto connection = open({.url = "nats://cli:hunter2@127.0.0.1:1"});
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().reason, "ConfigInvalid");
  EXPECT_THAT(connection.error().message, HasSubstr("nats_password_file"));
  EXPECT_THAT(connection.error().message, Not(HasSubstr("hunter2")));
}

INSTANTIATE_TEST_SUITE_P(Servers, AccessTest, ::testing::ValuesIn(testing::nats_binaries()),
                         binary_name);

}  // namespace
}  // namespace tunesmith::bus
