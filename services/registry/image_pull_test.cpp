// Pulling from the real docker-registry, and reading what hostile registries might say.
#include "registry/image_pull.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <memory>

#include "registry/docker_registry.h"
#include "registry/pull_secrets.h"
#include "registry/testing/image_maker.h"
#include "runtime/base64.h"
#include "runtime/http_test_server.h"
#include "runtime/sha256.h"
#include "temp_folder.h"

namespace tunesmith::registry {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing_support::DockerRegistry;

const testing_support::RegistryUser kUser{"demo", "s3cret"};

class ImagePullTest : public testing::Test {
 protected:
  RegistryClient client(const std::string& host, const std::string& reference,
                        RegistryCredentials credentials = {}, Access access = Access::kPull) {
    RegistryOptions options;
    options.insecure_registries.insert(host);
    options.backoff.first = 10ms;
    options.backoff.most = 200ms;
    const bool digest = reference.starts_with("sha256:");
    return {http_,
            clock_,
            options,
            {.registry = host,
             .repository = "team/data",
             .tag = digest ? "" : reference,
             .digest = digest ? reference : ""},
            std::move(credentials),
            access};
  }
  RegistryCall call() {
    return {.stop = {},
            .deadline = clock_.steady_now() + 60s,
            .on_wait = [this](const Failure& failure) { waits_.push_back(failure.reason); }};
  }
  Image push(const std::string& host, const std::string& tag, std::size_t size,
             RegistryCredentials credentials = {}) {
    auto image = make_image(folder_.path(), {{"data/a.jsonl", random_bytes(size)}});
    const auto pushed =
        client(host, tag, std::move(credentials), Access::kPush).push(image, tag, call());
    EXPECT_TRUE(pushed) << pushed.error().message;
    return image;
  }

  testing_support::TempFolder folder_;
  SystemClock clock_;
  HttpClient http_{HttpClientOptions{}};
  std::vector<std::string> waits_;
};

TEST_F(ImagePullTest, TagAndDigestLeadToTheSameLayers) {
  DockerRegistry registry;
  const auto image = push(registry.host(), "v1", 300'000);
  for (const std::string& reference : {std::string("v1"), image.manifest_digest}) {
    auto client = this->client(registry.host(), reference);
    const auto found = resolve_image(client, call());
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->digest, image.manifest_digest);
    ASSERT_EQ(found->layers.size(), 1u);
    EXPECT_EQ(found->layers[0].size_bytes, image.layers[0].info.size_bytes);
    const auto file = folder_.path() / "pulled";
    const auto pulled = pull_layer(client, found->layers[0], file, call());
    ASSERT_TRUE(pulled) << pulled.error().message;
    EXPECT_EQ(bytes_of(file), bytes_of(image.layers[0].file));
    struct stat facts {};
    ASSERT_EQ(::stat(file.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);
  }
}

TEST_F(ImagePullTest, OfALayerTheBeginningCanBeHad) {
  DockerRegistry registry;
  const auto image = push(registry.host(), "v1", 300'000);
  auto client = this->client(registry.host(), "v1");
  const auto found = resolve_image(client, call()).value();
  const auto file = folder_.path() / "head";
  ASSERT_TRUE(pull_layer_head(client, found.layers[0], 1000, file, call()));
  EXPECT_EQ(bytes_of(file), bytes_of(image.layers[0].file).substr(0, 1000));
}

TEST_F(ImagePullTest, WhatIsNotThereIsNamed) {
  DockerRegistry registry;
  push(registry.host(), "v1", 10);
  for (const std::string& reference : {std::string("v2"), "sha256:" + std::string(64, '0')}) {
    auto client = this->client(registry.host(), reference);
    const auto found = resolve_image(client, call());
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().reason, "ImageNotFound");
    EXPECT_THAT(found.error().message, HasSubstr("team/data"));
    EXPECT_THAT(found.error().message, HasSubstr(reference));
  }
  EXPECT_TRUE(waits_.empty());
}

TEST_F(ImagePullTest, APullAsksForNoMoreThanAPull) {
  DockerRegistry registry({.user = kUser});
  push(registry.host(), "v1", 10, {kUser.name, kUser.password, ""});
  auto anonymous = client(registry.host(), "v1");
  auto wrong = client(registry.host(), "v1", {kUser.name, "wr0ng", ""});
  for (RegistryClient* denied : {&anonymous, &wrong}) {
    const auto found = resolve_image(*denied, call());
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().reason, "ImageAccessDenied");
    EXPECT_THAT(found.error().message, HasSubstr("repository:team/data:pull"));
    EXPECT_THAT(found.error().message, Not(HasSubstr("push")));
    EXPECT_THAT(found.error().message, Not(HasSubstr("wr0ng")));
    EXPECT_THAT(found.error().message, HasSubstr("tuning.input.imagePullSecrets"));
  }
}

TEST_F(ImagePullTest, GoesOnAfterARegistryDied) {
  DockerRegistry registry;
  const auto image = push(registry.host(), "v1", 8u << 20);
  auto client = this->client(registry.host(), "v1");
  const auto found = resolve_image(client, call()).value();
  RegistryCall killing = call();
  bool killed = false;
  killing.on_progress = [&](std::uint64_t bytes) {
    if (bytes > (2u << 20) && !std::exchange(killed, true)) registry.kill();
  };
  killing.on_wait = [&](const Failure& failure) {
    waits_.push_back(failure.reason);
    if (waits_.size() == 2) registry.restart();
  };
  const auto file = folder_.path() / "pulled";
  const auto pulled = pull_layer(client, found.layers[0], file, killing);
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_TRUE(killed);
  EXPECT_EQ(bytes_of(file), bytes_of(image.layers[0].file));
}

// The host's silence would be noticed after a minute; one that sends a byte now and then, never.
TEST_F(ImagePullTest, TheDeadlineEndsABlobThatDoesNotCome) {
  const SilentServer server;
  const std::string host = "127.0.0.1:" + std::to_string(server.port);
  RegistryOptions options;
  options.insecure_registries.insert(host);
  options.request_timeout = 50ms;
  RegistryClient silent(http_, clock_, options,
                        {.registry = host, .repository = "a", .tag = "v1", .digest = {}}, {},
                        Access::kPull);
  auto call = this->call();
  call.deadline = clock_.steady_now() + 100ms;
  const PulledLayer layer{"sha256:" + std::string(64, 'a'), 1000, ""};
  const auto pulled = pull_layer(silent, layer, folder_.path() / "pulled", call);
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().reason, "TimedOut");
  EXPECT_THAT(pulled.error().message, HasSubstr("did not end within"));
}

TEST_F(ImagePullTest, OtherBytesThanTheDigestSaysAreRefused) {
  DockerRegistry registry;
  const auto image = push(registry.host(), "v1", 1000);
  auto client = this->client(registry.host(), "v1");
  auto layer = resolve_image(client, call()).value().layers[0];
  const auto file = folder_.path() / "pulled";
  for (const std::uint64_t size : {layer.size_bytes - 1, layer.size_bytes + 1000}) {
    auto lying = layer;
    lying.size_bytes = size;
    const auto pulled = pull_layer(client, lying, file, call());
    ASSERT_FALSE(pulled) << size;
    EXPECT_EQ(pulled.error().reason, "ImageNotReadable");
  }
  layer.digest = image.config_digest;  // another blob of the repository
  layer.size_bytes = image.config.size();
  EXPECT_TRUE(pull_layer(client, layer, file, call()));
}

TEST_F(ImagePullTest, GoesOnWithWhatAnEarlierPullLeftUnlessItIsWrong) {
  DockerRegistry registry;
  const auto image = push(registry.host(), "v1", 300'000);
  auto client = this->client(registry.host(), "v1");
  const auto layer = resolve_image(client, call()).value().layers[0];
  const std::string whole = bytes_of(image.layers[0].file);
  const auto file = folder_.path() / "pulled";
  for (const std::string& left : {whole.substr(0, 200'000), std::string(200'000, 'x'),
                                  whole + "more", whole, std::string()}) {
    std::ofstream(file, std::ios::binary) << left;
    std::uint64_t first = 0;
    RegistryCall watched = call();
    watched.on_progress = [&first](std::uint64_t bytes) { first = first == 0 ? bytes : first; };
    ASSERT_TRUE(pull_layer(client, layer, file, watched));
    EXPECT_EQ(bytes_of(file), whole);
    if (left == whole.substr(0, 200'000)) {
      EXPECT_GT(first, 200'000u);
    }
  }
}

constexpr const char* kDigestA =
    "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
constexpr const char* kDigestB =
    "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

std::string entry(const char* digest, const std::string& os, const std::string& architecture) {
  return std::string(R"({"digest":")") + digest + R"(","size":7,"platform":{"os":")" + os +
         R"(","architecture":")" + architecture + R"("}})";
}

std::string chosen(const std::string& entries) {
  const auto read = read_manifest({"sha256:x", R"({"manifests":[)" + entries + "]}"}, "r/a:b");
  if (!read) return read.error().reason + ": " + read.error().message;
  return std::get<std::string>(*read);
}

TEST(ReadManifest, OfAnIndexTakesOurPlatformOrTheOnlyOne) {
  const auto arm = entry(kDigestA, "linux", "arm64"), amd = entry(kDigestB, "linux", "amd64");
  const auto attestation = entry(kDigestB, "unknown", "unknown");
  EXPECT_EQ(chosen(arm + "," + amd), kDigestB);
  EXPECT_EQ(chosen(arm), kDigestA);
  EXPECT_EQ(chosen(arm + "," + attestation), kDigestA);
  EXPECT_EQ(chosen(std::string(R"({"digest":")") + kDigestA + R"("})"), kDigestA);
  EXPECT_THAT(chosen(arm + "," + entry(kDigestB, "windows", "amd64")),
              HasSubstr("found linux/arm64, windows/amd64"));
  EXPECT_THAT(chosen(""), HasSubstr("found none"));
  EXPECT_THAT(chosen("7,[],null"), HasSubstr("found none"));
}

std::string layer(const std::string& digest, const std::string& size, const std::string& type) {
  return R"({"layers":[{"digest":")" + digest + R"(","size":)" + size + R"(,"mediaType":")" + type +
         R"("}]})";
}

TEST(ReadManifest, RefusesWhatCannotBeUnpacked) {
  const std::string tar = "application/vnd.oci.image.layer.v1.tar";
  EXPECT_TRUE(read_manifest({"sha256:x", layer(kDigestA, "7", tar)}, "a"));
  std::string many = R"({"layers":[)";
  for (int i = 0; i < 513; ++i) many += std::string(i == 0 ? "" : ",") + "{}";
  for (const std::string& body :
       {std::string("no json"), std::string("[]"), std::string("{}"),
        std::string(R"({"schemaVersion":1,"fsLayers":[]})"), std::string(R"({"layers":[7]})"),
        many + "]}", layer("sha256:short", "7", tar), layer(kDigestA, "-7", tar),
        layer(kDigestA, "1e30", tar), layer(kDigestA, "18446744073709551615", tar),
        layer(kDigestA, "7", "application/vnd.cncf.model.weight.v1.raw"),
        layer(std::string("sha256:") + std::string(62, 'a') + "/x", "7", tar)}) {
    const auto read = read_manifest({"sha256:x", body}, "r/a:b");
    ASSERT_FALSE(read) << body;
    EXPECT_EQ(read.error().reason, "ImageNotReadable");
    EXPECT_EQ(read.error().failure_class, FailureClass::kPermanent);
  }
}

class PullSecretsTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    const auto folder = folder_.path() / "default";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / name) << text;
    ASSERT_EQ(::chmod((folder / name).c_str(), 0600), 0);
  }
  static std::string config(const std::string& host, const std::string& user) {
    return R"({"auths":{")" + host + R"(":{"auth":")" + base64_encode(user + ":p") + R"("}}})";
  }
  Result<RegistryCredentials> read(const std::vector<std::string>& names) {
    const RegistryCall call{.stop = {}, .deadline = clock_.steady_now()};
    return read_pull_secrets(folder_.path(), "default", names, "r.example", clock_, {}, call);
  }
  testing_support::TempFolder folder_;
  SystemClock clock_;
};

TEST_F(PullSecretsTest, TheFirstThatKnowsTheRegistryCounts) {
  write("other", config("o.example", "other"));
  write("first", config("r.example", "first"));
  write("second", config("r.example", "second"));
  EXPECT_EQ(read({"other", "first", "second"})->user, "first");
  EXPECT_TRUE(read({"other"})->anonymous());
  EXPECT_TRUE(read({})->anonymous());
}

TEST_F(PullSecretsTest, WhatIsWrongIsNamed) {
  write("flat", R"({"token":"t0ken"})");
  const auto flat = read({"flat"});
  ASSERT_FALSE(flat);
  EXPECT_EQ(flat.error().reason, "PullSecretInvalid");
  EXPECT_THAT(flat.error().message, HasSubstr("default/flat"));
  EXPECT_THAT(flat.error().message, Not(HasSubstr("t0ken")));
  const auto missing = read({"missing"});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, "SecretMissing");
}

}  // namespace
}  // namespace tunesmith::registry
