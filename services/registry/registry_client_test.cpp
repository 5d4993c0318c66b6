// The registry client against the real docker-registry, killed and held.
#include "registry/registry_client.h"

#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <memory>

#include "registry/azure_exchange.h"
#include "registry/docker_registry.h"
#include "registry/testing/image_maker.h"
#include "registry/token_server.h"
#include "runtime/http_test_server.h"
#include "temp_folder.h"

namespace tunesmith::registry {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::DockerRegistry;
using testing_support::TokenServer;

constexpr std::uint64_t kMiB = 1u << 20;
const testing_support::RegistryUser kUser{"demo", "s3cret"};

RegistryOptions quick() {
  RegistryOptions options;
  options.backoff.first = 10ms;
  options.backoff.most = 200ms;
  return options;
}

class RegistryClientTest : public testing::Test {
 protected:
  RegistryClient client(const std::string& host, RegistryCredentials credentials = {},
                        const std::string& repository = "team/adapter") {
    options_.insecure_registries.insert(host);
    return {http_,
            clock_,
            options_,
            {.registry = host, .repository = repository, .tag = {}, .digest = {}},
            std::move(credentials)};
  }
  RegistryCall call() {
    return {.stop = {},
            .deadline = clock_.steady_now() + 60s,
            .on_wait = [this](const Failure& failure) { waits_.push_back(failure.reason); }};
  }
  Image image(std::size_t size) {
    return make_image(folder_.path(), {{"data/weights", random_bytes(size)}});
  }

  testing_support::TempFolder folder_;
  SystemClock clock_;
  HttpClient http_{HttpClientOptions{}};
  RegistryOptions options_ = quick();
  std::vector<std::string> waits_;
};

TEST_F(RegistryClientTest, ManifestsAreReadBackByTagAndDigest) {
  DockerRegistry registry;
  const auto built = image(1000);
  auto client = this->client(registry.host());
  ASSERT_EQ(client.manifest("v1", call()).value(), std::nullopt);
  ASSERT_TRUE(client.push(built, "v1", call()));
  for (const std::string& reference : {std::string("v1"), built.manifest_digest}) {
    const auto found = client.manifest(reference, call()).value();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->digest, built.manifest_digest);
    EXPECT_EQ(found->body, built.manifest);
  }
}

TEST_F(RegistryClientTest, WhatTheRegistryHasIsNotSentAgain) {
  DockerRegistry registry;
  const auto built = image(kMiB);
  auto client = this->client(registry.host());
  ASSERT_TRUE(client.push(built, "v1", call()));
  const int uploads = registry.logged("POST /v2/");
  EXPECT_EQ(uploads, 2);
  ASSERT_TRUE(client.push(built, "v2", call()));
  EXPECT_EQ(registry.logged("POST /v2/"), uploads);
}

TEST_F(RegistryClientTest, BlobsOfAnotherRepositoryAreMounted) {
  DockerRegistry registry;
  const auto built = image(kMiB);
  ASSERT_TRUE(client(registry.host()).push(built, "v1", call()));
  auto other = client(registry.host(), {}, "other/place");
  EXPECT_EQ(other.mount_blob(built.layers[0].info.digest, "team/adapter", call()).value(), true);
  EXPECT_EQ(other.mount_blob("sha256:" + std::string(64, '0'), "team/adapter", call()).value(),
            false);
}

TEST_F(RegistryClientTest, CheckingLeavesNoOpenUpload) {
  DockerRegistry registry;
  ASSERT_TRUE(client(registry.host()).check_push(call()));
  int open = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(registry.folder())) {
    open += entry.path().filename() == "startedat";
  }
  EXPECT_EQ(open, 0);
  EXPECT_EQ(registry.logged("DELETE /v2/"), 1);
}

TEST_F(RegistryClientTest, WrongPasswordIsOneClearSentenceAndNoRetry) {
  DockerRegistry registry({.user = kUser});
  for (const RegistryCredentials& wrong :
       {RegistryCredentials{kUser.name, "wr0ng", ""}, RegistryCredentials{}}) {
    const auto refused = client(registry.host(), wrong).check_push(call());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().failure_class, FailureClass::kPermanent);
    EXPECT_EQ(refused.error().reason, "PushDenied");
    EXPECT_THAT(refused.error().message, HasSubstr("repository:team/adapter:pull,push"));
    EXPECT_THAT(refused.error().message, HasSubstr(registry.host()));
    EXPECT_THAT(refused.error().message, Not(HasSubstr("wr0ng")));
  }
  EXPECT_TRUE(waits_.empty());
}

class TokenAuthTest : public RegistryClientTest {
 protected:
  TokenAuthTest()
      : tokens_({.user = kUser.name,
                 .password = kUser.password,
                 .refresh_token = "r3fresh",
                 .assertion = "@ssertion",
                 .entra_token = "3ntra",
                 .allowed_repository = "team/adapter"},
                folder_.path()),
        registry_(
            {.user = {},
             .token = testing_support::RegistryTokenAuth{.realm = tokens_.realm(),
                                                         .service = tokens_.options().service,
                                                         .issuer = tokens_.options().issuer,
                                                         .certificate = tokens_.certificate()},
             .port = {}}) {}
  TokenServer tokens_;
  DockerRegistry registry_;
};

TEST_F(TokenAuthTest, PasswordBuysATokenThatIsUsedAgain) {
  const auto pushed =
      client(registry_.host(), {kUser.name, kUser.password, ""}).push(image(1000), "v1", call());
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_THAT(tokens_.requests(), ElementsAre("GET basic"));
}

TEST_F(TokenAuthTest, IdentityTokenIsExchanged) {
  const auto pushed = client(registry_.host(), {"", "", "r3fresh"}).push(image(1000), "v1", call());
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_THAT(tokens_.requests(), ElementsAre("POST refresh_token"));
}

TEST_F(TokenAuthTest, RefusedCredentialsNameTheTokenServer) {
  const auto refused = client(registry_.host(), {kUser.name, "wr0ng", ""}).check_push(call());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "PushDenied");
  EXPECT_THAT(refused.error().message, HasSubstr("token server " + tokens_.realm()));
  EXPECT_THAT(refused.error().message, Not(HasSubstr("wr0ng")));
  EXPECT_THAT(tokens_.requests(), ElementsAre("GET basic refused"));
}

TEST_F(TokenAuthTest, TokenWithoutTheRightIsDenied) {
  const auto refused =
      client(registry_.host(), {kUser.name, kUser.password, ""}, "not/mine").check_push(call());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "PushDenied");
  EXPECT_THAT(refused.error().message, HasSubstr("repository:not/mine:pull,push"));
  EXPECT_TRUE(waits_.empty());
}

TEST_F(TokenAuthTest, WorkloadIdentityBecomesAnIdentityTokenThatPushes) {
  std::ofstream(folder_.path() / "token") << "@ssertion";
  const std::string base = "http://127.0.0.1:" + std::to_string(tokens_.port());
  const AzureIdentity identity{base + "/", "tenant", "client", folder_.path() / "token"};
  const auto credentials = exchange_azure_identity(http_, clock_, options_, identity, base, call());
  ASSERT_TRUE(credentials) << credentials.error().message;
  ASSERT_TRUE(client(registry_.host(), *credentials).push(image(1000), "v1", call()));
  EXPECT_THAT(tokens_.requests(), ElementsAre("POST entra", "POST exchange", "POST refresh_token"));
}

TEST_F(TokenAuthTest, RefusedWorkloadIdentityIsDeniedWithoutItsSecrets) {
  std::ofstream(folder_.path() / "token") << "wr0ng";
  const std::string base = "http://127.0.0.1:" + std::to_string(tokens_.port());
  const AzureIdentity identity{base + "/", "tenant", "client", folder_.path() / "token"};
  const auto credentials = exchange_azure_identity(http_, clock_, options_, identity, base, call());
  ASSERT_FALSE(credentials);
  EXPECT_EQ(credentials.error().reason, "PushDenied");
  EXPECT_THAT(credentials.error().message, HasSubstr("/tenant/oauth2/v2.0/token"));
  EXPECT_THAT(credentials.error().message, Not(HasSubstr("wr0ng")));
}

TEST(AzureIdentity, NeedsAllThatTheWebhookSets) {
  std::map<std::string, std::string> variables = {{"AZURE_TENANT_ID", "t"},
                                                  {"AZURE_CLIENT_ID", "c"}};
  const auto read = [&variables](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  EXPECT_FALSE(AzureIdentity::from_environment(read));
  variables["AZURE_FEDERATED_TOKEN_FILE"] = "/f";
  EXPECT_EQ(AzureIdentity::from_environment(read)->authority, "https://login.microsoftonline.com/");
  variables["AZURE_AUTHORITY_HOST"] = "https://login.example";
  EXPECT_EQ(AzureIdentity::from_environment(read)->authority, "https://login.example/");
  EXPECT_TRUE(is_azure_registry("x.azurecr.io"));
  EXPECT_FALSE(is_azure_registry("azurecr.io.example"));
}

TEST_F(TokenAuthTest, SecretsDoNotLeaveTlsForAPlainTokenServer) {
  RegistryAuth auth(http_, "r.example", {kUser.name, kUser.password, ""}, false);
  HttpResponse unauthorised;
  unauthorised.status = 401;
  unauthorised.headers.emplace("WWW-Authenticate", "Bearer realm=\"" + tokens_.realm() + "\"");
  const auto answer = auth.answer(unauthorised, "repository:a:pull,push", {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "PushDenied");
  EXPECT_THAT(tokens_.requests(), ElementsAre());
}

// Takes everything and gives nothing back.
TEST_F(RegistryClientTest, AnImageThatCannotBeReadBackIsNoSuccess) {
  Serving<> registry;
  registry.server.Post(".*", [](const httplib::Request&, httplib::Response& response) {
    response.status = 202;
    response.set_header("Location", "/v2/team/adapter/blobs/uploads/1?x=y");
  });
  registry.server.Put(
      ".*", [](const httplib::Request&, httplib::Response& response) { response.status = 201; });
  const auto pushed = client(registry.address()).push(image(1000), "v1", call());
  ASSERT_FALSE(pushed);
  EXPECT_EQ(pushed.error().reason, "PushNotReadBack");
}

// Kills the registry once, when `at` bytes were sent, and starts it again at the first wait.
class RegistryDeathTest : public RegistryClientTest {
 protected:
  RegistryCall killing(DockerRegistry& registry, std::uint64_t at) {
    RegistryCall call = this->call();
    call.on_progress = [this, &registry, at](std::uint64_t bytes) {
      if (bytes >= at && !killed_) {
        killed_ = true;
        registry.kill();
      }
    };
    call.on_wait = [this, &registry](const Failure& failure) {
      waits_.push_back(failure.reason);
      if (waits_.size() == 2) registry.restart();
    };
    return call;
  }
  bool killed_ = false;
};

TEST_F(RegistryDeathTest, ChunkedPushGoesOnWhereItWas) {
  options_.chunk_bytes = kMiB;
  options_.single_put_bytes = kMiB;
  DockerRegistry registry;
  const auto built = image(8 * kMiB);
  auto client = this->client(registry.host());
  const auto pushed = client.push(built, "v1", killing(registry, 4 * kMiB));
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_TRUE(killed_);
  EXPECT_GE(waits_.size(), 2u);
  EXPECT_EQ(client.manifest("v1", call()).value()->digest, built.manifest_digest);
  EXPECT_LE(registry.logged("PATCH /v2/"), 2 * (9 + 2)) << "it began anew";
}

TEST_F(RegistryDeathTest, SinglePutIsMadeGood) {
  DockerRegistry registry;
  const auto built = image(8 * kMiB);
  auto client = this->client(registry.host());
  const auto pushed = client.push(built, "v1", killing(registry, 4 * kMiB));
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_TRUE(killed_);
  EXPECT_EQ(client.manifest("v1", call()).value()->digest, built.manifest_digest);
}

TEST_F(RegistryClientTest, AbsentRegistryIsWaitedForUntilTheDeadline) {
  auto gone = std::make_unique<DockerRegistry>();
  const std::string host = gone->host();
  gone.reset();
  auto limited = call();
  limited.deadline = clock_.steady_now() + 300ms;
  const auto refused = client(host).check_push(limited);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure_class, FailureClass::kTransient);
  EXPECT_THAT(refused.error().message, HasSubstr("gave up after"));
  EXPECT_FALSE(waits_.empty());
}

TEST_F(RegistryClientTest, StopEndsAWait) {
  auto gone = std::make_unique<DockerRegistry>();
  const std::string host = gone->host();
  gone.reset();
  std::stop_source stop;
  auto stoppable = call();
  stoppable.stop = stop.get_token();
  stoppable.on_wait = [&stop](const Failure&) { stop.request_stop(); };
  EXPECT_FALSE(client(host).check_push(stoppable));
  EXPECT_LT(clock_.steady_now(), stoppable.deadline);
}

TEST_F(RegistryClientTest, PlainHttpIsOnlyForListedRegistries) {
  DockerRegistry registry;
  auto strict =
      RegistryClient(http_, clock_, options_,
                     {.registry = registry.host(), .repository = "a", .tag = {}, .digest = {}}, {});
  auto limited = call();
  limited.deadline = clock_.steady_now();
  EXPECT_FALSE(strict.check_push(limited));
  EXPECT_EQ(registry.logged("POST /v2/"), 0);
}

}  // namespace
}  // namespace tunesmith::registry
