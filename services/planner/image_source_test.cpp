// What the planner finds out about an image with data: a real docker-registry, the real
// tunesmith-inspect.
#include "planner/image_source.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "registry/docker_registry.h"
#include "registry/registry_client.h"
#include "registry/testing/image_maker.h"
#include "runtime/base64.h"
#include "temp_folder.h"

namespace tunesmith::planner {
namespace {

using namespace std::chrono_literals;
using registry::ImageFile;
using ::testing::HasSubstr;

const testing_support::RegistryUser kUser{"demo", "s3cret"};

std::string chat(int rows) {
  std::string text;
  for (int i = 0; i < rows; ++i) {
    text += R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]})"
            "\n";
  }
  return text;
}

class ImageSourceTest : public ::testing::Test {
 protected:
  ImageSourceTest() {
    options_.registry.insecure_registries.insert(registry_.host());
    options_.registry.backoff.first = 5ms;
    options_.secrets_dir = folder_.path() / "secrets";
    options_.work_dir = folder_.path() / "work";
    options_.inspect = std::string(TUNESMITH_BIN_DIR) + "/tunesmith-inspect";
    write_secret("pull", registry_.host(), kUser.password);
    write_secret("elsewhere", "other.example", "x");
    input_.image = registry_.host() + "/team/data:v1";
    input_.image_pull_secrets = {"elsewhere", "pull"};
  }
  void write_secret(const std::string& name, const std::string& host, const std::string& password) {
    const auto file = options_.secrets_dir / "default" / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << R"({"auths":{")" << host << R"(":{"auth":")"
                        << base64_encode(kUser.name + ":" + password) << R"("}}})";
    ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  }
  std::string push(const std::vector<ImageFile>& files) {
    const auto image = registry::make_image(folder_.path(), files);
    registry::RegistryClient client(
        http_, clock_, options_.registry,
        {.registry = registry_.host(), .repository = "team/data", .tag = "v1", .digest = {}},
        {kUser.name, kUser.password, ""});
    const auto pushed =
        client.push(image, "v1", {.stop = {}, .deadline = clock_.steady_now() + 60s});
    EXPECT_TRUE(pushed) << pushed.error().message;
    return image.manifest_digest;
  }
  Result<OtherData> look(std::chrono::milliseconds limit = 60s) {
    const Patience patience{
        .clock = clock_, .deadline = clock_.steady_now() + limit, .stop = stop_.get_token()};
    auto found = ImageSource(options_, http_).look("default", input_, patience);
    // Nothing stays behind, whatever the end.
    std::error_code error;
    EXPECT_TRUE(std::filesystem::is_empty(options_.work_dir, error) || error);
    return found;
  }
  Failure refusal(std::chrono::milliseconds limit = 60s) {
    const auto found = look(limit);
    EXPECT_FALSE(found);
    return found ? Failure{} : found.error();
  }

  testing_support::TempFolder folder_;
  testing_support::DockerRegistry registry_{{.user = kUser}};
  SystemClock clock_;
  HttpClient http_{HttpClientOptions{}};
  ImageSourceOptions options_;
  workspace::DataSource input_;
  std::stop_source stop_;
};

TEST_F(ImageSourceTest, TellsDigestLayersRowsAndLayout) {
  const auto digest = push({{"data/a.jsonl", chat(30)}, {"data/b.jsonl", chat(12)}});
  const auto found = look();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->data.rows(), 42u);
  EXPECT_EQ(found->data.layout(), "messages");
  EXPECT_GT(found->estimated_tokens, 0u);
  EXPECT_EQ(found->note, "");
  const auto& image = found->data.image();
  EXPECT_EQ(image.image(), input_.image);
  EXPECT_EQ(image.digest(), digest);
  ASSERT_EQ(image.layers_size(), 1);
  EXPECT_GT(image.layers(0).size_bytes(), 42u);
  EXPECT_THAT(image.layers(0).digest(), ::testing::StartsWith("sha256:"));
  EXPECT_THAT(image.pull_secrets(), ::testing::ElementsAre("elsewhere", "pull"));
}

TEST_F(ImageSourceTest, OfALargeImageTheBeginningTellsTheLayout) {
  options_.look_bytes = 10'000;
  options_.head_bytes = 5'000;
  push({{"data/a.jsonl", chat(1000)}});
  const auto found = look();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->data.rows(), 0u);
  EXPECT_EQ(found->data.layout(), "messages");
  EXPECT_THAT(found->note, HasSubstr("rows were not counted"));
}

TEST_F(ImageSourceTest, WhatCannotBeLearntFromIsNamed) {
  push({{"bin/sh", "x"}});
  EXPECT_EQ(refusal().reason, "ImageHasNoData");
  push({{"data/README.md", "x"}});
  EXPECT_EQ(refusal().reason, "ImageHasNoDataFile");
  push({{"data/train.jsonl", R"({"a":1})"}});
  EXPECT_EQ(refusal().reason, "NoUsableColumn");
  EXPECT_THAT(refusal().message, HasSubstr("data/train.jsonl"));
  push({{"data/../etc/passwd", "x"}});
  EXPECT_EQ(refusal().reason, "ImageNotReadable");
  options_.unpacked_bytes = 1000;
  push({{"data/train.jsonl", chat(1000)}});
  EXPECT_EQ(refusal().reason, "ImageTooLarge");
}

TEST_F(ImageSourceTest, WhoMayNotPullIsTold) {
  push({{"data/a.jsonl", chat(3)}});
  input_.image_pull_secrets = {"elsewhere"};
  EXPECT_EQ(refusal().reason, "ImageAccessDenied");
  write_secret("pull", registry_.host(), "wr0ng");
  input_.image_pull_secrets = {"pull"};
  EXPECT_EQ(refusal().reason, "ImageAccessDenied");
  input_.image_pull_secrets = {"missing"};
  EXPECT_EQ(refusal(50ms).reason, "SecretMissing");
}

TEST_F(ImageSourceTest, WhatIsNotThereIsTold) {
  input_.image = registry_.host() + "/team/none:v1";
  EXPECT_EQ(refusal().reason, "ImageNotFound");
  input_.image = "Registry/Team:";
  EXPECT_EQ(refusal().reason, "ImageReferenceInvalid");
}

}  // namespace
}  // namespace tunesmith::planner
