// Layers in the cache, data files in the run: a real docker-registry, the real tunesmith-inspect.
#include "image_data.h"

#include <gmock/gmock.h>

#include <fstream>

#include "registry/docker_registry.h"
#include "registry/testing/image_maker.h"
#include "runtime/http_test_server.h"
#include "temp_folder.h"

namespace tunesmith::gpu_worker {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ImageDataTest : public ::testing::Test {
 protected:
  ImageDataTest() {
    options_.registry.insecure_registries.insert(registry_.host());
    options_.inspect = std::string(TUNESMITH_BIN_DIR) + "/tunesmith-inspect";
    limits_.deadline = 60s;
    plan_.set_image(registry_.host() + "/team/data:v1");
    plan_.set_digest(push("data/a.jsonl", "one"));
  }
  std::string push(const std::string& name, const std::string& content) {
    const auto image = registry::make_image(folder_.path(), {{name, content}});
    registry::RegistryClient client(
        http_, clock_, options_.registry,
        {.registry = registry_.host(), .repository = "team/data", .tag = "v1", .digest = {}}, {});
    EXPECT_TRUE(client.push(image, "v1", {.stop = {}, .deadline = clock_.steady_now() + 60s}));
    return image.manifest_digest;
  }
  Result<std::vector<fs::path>> fetch() {
    bytes_ = 0;
    const FetchListener listener{.on_bytes = [this](std::uint64_t bytes) { bytes_ = bytes; },
                                 .on_waiting = [](const Failure&) {}};
    return ImageData(folder_.path() / "cache", options_, http_, clock_, limits_)
        .fetch(plan_, "default", folder_.path() / "run", listener, {});
  }
  std::vector<std::string> contents() {
    const auto files = fetch();
    std::vector<std::string> list;
    if (!files) return {files.error().reason};
    for (const auto& file : *files) list.push_back(registry::bytes_of(file));
    return list;
  }
  fs::path cached_layer() {
    for (const auto& entry : fs::directory_iterator(folder_.path() / "cache")) {
      if (!entry.path().has_extension()) return entry.path();
    }
    return {};
  }
  int blobs_given() { return registry_.logged("GET /v2/team/data/blobs/"); }

  testing_support::TempFolder folder_;
  testing_support::DockerRegistry registry_;
  SystemClock clock_;
  HttpClient http_{HttpClientOptions{}};
  ImageDataOptions options_;
  FetchLimits limits_;
  events::v1::ImageData plan_;
  std::uint64_t bytes_ = 0;
};

TEST_F(ImageDataTest, TheSecondRunFindsTheLayersHere) {
  EXPECT_THAT(contents(), ElementsAre("one"));
  EXPECT_EQ(bytes_, fs::file_size(cached_layer()));
  const int given = blobs_given();
  EXPECT_THAT(contents(), ElementsAre("one"));
  EXPECT_EQ(bytes_, fs::file_size(cached_layer()));
  EXPECT_EQ(blobs_given(), given);
}

TEST_F(ImageDataTest, ThePlannedDigestDecidesNotTheTag) {
  push("data/a.jsonl", "two");
  EXPECT_THAT(contents(), ElementsAre("one"));
}

TEST_F(ImageDataTest, ADamagedLayerIsFetchedAgain) {
  EXPECT_THAT(contents(), ElementsAre("one"));
  std::fstream(cached_layer(), std::ios::in | std::ios::out | std::ios::binary).write("x", 1);
  EXPECT_THAT(contents(), ElementsAre("one"));
}

// Whoever may not pull an image gets no layer of it that another's run left here.
TEST_F(ImageDataTest, CachedLayersAreGivenOnlyToWhomTheRegistryGivesThem) {
  EXPECT_THAT(contents(), ElementsAre("one"));
  plan_.set_image(registry_.host() + "/team/other:v1");
  EXPECT_THAT(contents(), ElementsAre("ImageNotFound"));
}

// A registry of one's own gives a manifest that names the layer of somebody else.
TEST_F(ImageDataTest, AForeignManifestThatNamesACachedLayerGetsNothingOutOfTheCache) {
  EXPECT_THAT(contents(), ElementsAre("one"));
  registry::RegistryClient client(
      http_, clock_, options_.registry,
      {.registry = registry_.host(), .repository = "team/data", .tag = "v1", .digest = {}}, {});
  const std::string manifest = client.manifest(plan_.digest(), {}).value()->body;
  Serving<> theirs;
  theirs.server.Get("/v2/them/x/manifests/" + plan_.digest(),
                    [&](const httplib::Request&, httplib::Response& answer) {
                      answer.set_content(manifest, registry::kManifestType);
                    });
  options_.registry.insecure_registries.insert(theirs.address());
  plan_.set_image(theirs.address() + "/them/x:v1");
  EXPECT_THAT(contents(), ElementsAre("RegistryNotFound"));
}

TEST_F(ImageDataTest, ASecretThatNeverComesIsAnEnd) {
  options_.secrets_dir = folder_.path() / "secrets";
  options_.secret_limit = 20ms;
  options_.registry.backoff.first = 1ms;
  plan_.add_pull_secrets("pull");
  const auto fetched = fetch();
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().reason, "SecretMissing");
  EXPECT_EQ(fetched.error().failure_class, FailureClass::kPermanent);
}

TEST_F(ImageDataTest, WhatIsInItIsBounded) {
  options_.data_limit = 1000;
  EXPECT_THAT(contents(), ElementsAre("ImageTooLarge"));
}

}  // namespace
}  // namespace tunesmith::gpu_worker
