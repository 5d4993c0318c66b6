// The adapter's image in the real docker-registry, seen with skopeo's eyes: KAITO's puller is one.
#include <gmock/gmock.h>

#include "image-builder/adapter_image.h"
#include "image-builder/testing/adapter_archive.h"
#include "registry/docker_registry.h"
#include "registry/registry_client.h"
#include "runtime/process.h"
#include "temp_folder.h"

namespace tunesmith::image_builder {
namespace {

using namespace std::chrono_literals;

std::string run(std::vector<std::string> argv) {
  const auto ended = run_process({.argv = std::move(argv)}, 60s, {});
  EXPECT_TRUE(ended && ended->status.code == 0) << (ended ? ended->error_output : "not started");
  return ended ? ended->output : "";
}

TEST(AdapterPush, SkopeoCopiesThePushedImageAndDataHoldsBothFiles) {
  const testing_support::TempFolder folder;
  const std::string weights = safetensors_of(3u << 20);
  write_archive(folder.path() / "adapter.tar",
                {{"adapter_config.json", kAdapterConfig}, {"adapter_model.safetensors", weights}});
  const auto built =
      build_adapter_image(folder.path() / "adapter.tar", folder.path() / "layer",
                          {{kTuningKeyAnnotation, "key"}, {kModelNameAnnotation, "model"}})
          .value();
  const std::string user = "demo", password = "s3cret";
  testing_support::DockerRegistry registry({.user = testing_support::RegistryUser{user, password}});
  const SystemClock clock;
  const HttpClient http{HttpClientOptions{}};
  const registry::RegistryCall call{.stop = {}, .deadline = clock.steady_now() + 60s};
  registry::RegistryOptions options;
  options.insecure_registries = {registry.host()};
  registry::RegistryClient client(
      http, clock, options,
      {.registry = registry.host(), .repository = "team/adapter", .tag = {}, .digest = {}},
      {user, password, ""});
  ASSERT_TRUE(client.check_push(call));
  const auto pushed = client.push(built, "v1", call);
  ASSERT_TRUE(pushed) << pushed.error().message;

  const std::string source = "docker://" + registry.host() + "/team/adapter:v1";
  const std::string credentials = user + ":" + password;
  EXPECT_EQ(run({"skopeo", "inspect", "--tls-verify=false", "--creds", credentials, "--format",
                 "{{.Digest}}", source}),
            built.manifest_digest + "\n");
  const auto copy = folder.path() / "copy";
  run({"skopeo", "copy", "--src-tls-verify=false", "--src-creds", credentials, source,
       "dir:" + copy.string()});
  EXPECT_EQ(bytes_of(copy / "manifest.json"), built.manifest);
  run({"tar", "-xzf", (copy / built.layers[0].info.digest.substr(7)).string(), "-C",
       folder.path().string()});
  EXPECT_EQ(bytes_of(folder.path() / "data/adapter_config.json"), kAdapterConfig);
  EXPECT_EQ(bytes_of(folder.path() / "data/adapter_model.safetensors"), weights);
}

}  // namespace
}  // namespace tunesmith::image_builder
