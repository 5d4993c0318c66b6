// Layers in the cache, data files in the run: a real docker-registry, the real tunesmith-inspect.
#include "image_data.h"

#include <gmock/gmock.h>

#include <fstream>

#include "registry/docker_registry.h"
#include "registry/testing/image_maker.h"

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
    const auto image = registry::make_image(folder_.path, {{name, content}});
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
    return ImageData(folder_.path / "cache", options_, http_, clock_, limits_)
        .fetch(plan_, "default", folder_.path / "run", listener, {});
  }
  std::vector<std::string> contents() {
    const auto files = fetch();
    std::vector<std::string> list;
    if (!files) return {files.error().reason};
    for (const auto& file : *files) list.push_back(registry::bytes_of(file));
    return list;
  }
  fs::path cached_layer() {
    for (const auto& entry : fs::directory_iterator(folder_.path / "cache")) {
      if (!entry.path().has_extension()) return entry.path();
    }
    return {};
  }
  int blobs_given() { return registry_.logged("GET /v2/team/data/blobs/"); }

  registry::TemporaryFolder folder_;
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

TEST_F(ImageDataTest, WhatIsInItIsBounded) {
  options_.data_limit = 1000;
  EXPECT_THAT(contents(), ElementsAre("ImageTooLarge"));
}

}  // namespace
}  // namespace tunesmith::gpu_worker
