#include "image-builder/adapter_image.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include <nlohmann/json.hpp>

#include "image-builder/tar_reader.h"
#include "image-builder/testing/adapter_archive.h"
#include "runtime/sha256.h"
#include "temp_folder.h"

namespace tunesmith::image_builder {
namespace {

using testing::HasSubstr;

const Annotations kAnnotations = {{kModelNameAnnotation, "smollm2-135m-instruct"},
                                  {kTuningKeyAnnotation, std::string(64, 'a')}};

class AdapterImageTest : public testing::Test {
 protected:
  Result<registry::Image> build(const std::vector<ArchiveMember>& members) {
    write_archive(folder_.path() / "adapter.tar", members);
    return build_adapter_image(folder_.path() / "adapter.tar", folder_.path() / "layer",
                               kAnnotations);
  }
  // The layer as any gzip reader sees it.
  std::string unpacked(const std::filesystem::path& layer) {
    gzFile in = gzopen(layer.c_str(), "rb");
    std::string out, piece(1u << 16, '\0');
    int got = 0;
    while ((got = gzread(in, piece.data(), static_cast<unsigned>(piece.size()))) > 0) {
      out.append(piece, 0, static_cast<std::size_t>(got));
    }
    EXPECT_EQ(got, 0) << "damaged gzip";
    gzclose(in);
    return out;
  }
  testing_support::TempFolder folder_;
};

TEST_F(AdapterImageTest, LayerHoldsBothFilesBelowData) {
  const std::string weights = safetensors_of(300'000);
  const auto image =
      build({{"adapter_config.json", kAdapterConfig}, {"adapter_model.safetensors", weights}});
  ASSERT_TRUE(image) << image.error().message;
  const std::string tar = unpacked(image->layers[0].file);
  std::ofstream(folder_.path() / "plain.tar", std::ios::binary) << tar;
  const auto entries = list_tar(folder_.path() / "plain.tar");
  ASSERT_TRUE(entries) << entries.error().message;
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].name, "data/adapter_config.json");
  EXPECT_EQ(tar.substr((*entries)[0].offset, (*entries)[0].size), kAdapterConfig);
  EXPECT_EQ((*entries)[1].name, "data/adapter_model.safetensors");
  EXPECT_EQ(tar.substr((*entries)[1].offset, (*entries)[1].size), weights);
  EXPECT_EQ(image->layers[0].info.diff_id, "sha256:" + sha256_hex(tar));
}

TEST_F(AdapterImageTest, DigestsAreThoseOfTheBytes) {
  const auto image = build({{"adapter_config.json", kAdapterConfig},
                            {"adapter_model.safetensors", safetensors_of(1000)}});
  ASSERT_TRUE(image);
  const std::string layer = bytes_of(image->layers[0].file);
  EXPECT_EQ(image->layers[0].info.digest, "sha256:" + sha256_hex(layer));
  EXPECT_EQ(image->layers[0].info.size_bytes, layer.size());
  EXPECT_EQ(image->config_digest, "sha256:" + sha256_hex(image->config));
  EXPECT_EQ(image->manifest_digest, "sha256:" + sha256_hex(image->manifest));
  const auto manifest = nlohmann::json::parse(image->manifest);
  EXPECT_EQ(manifest["layers"][0]["digest"], image->layers[0].info.digest);
  EXPECT_EQ(manifest["layers"][0]["size"], layer.size());
  EXPECT_EQ(manifest["config"]["digest"], image->config_digest);
  EXPECT_EQ(nlohmann::json::parse(image->config)["rootfs"]["diff_ids"][0],
            image->layers[0].info.diff_id);
  EXPECT_EQ(registry::annotations_in(image->manifest), kAnnotations);
  EXPECT_EQ(registry::image_size_bytes(image->manifest), image->size_bytes());
}

// Whoever changes these bytes makes every adapter that is pushed again a new image.
TEST_F(AdapterImageTest, BytesAreTheSameForEver) {
  const auto image = build({{"adapter_config.json", kAdapterConfig},
                            {"adapter_model.safetensors", safetensors_of(200'000, 7)}});
  ASSERT_TRUE(image);
  EXPECT_EQ(image->layers[0].info.diff_id,
            "sha256:9e75c74fc0c8be04d7a82694f93775280b96577a49b80453ca173a1687503292");
  EXPECT_EQ(image->layers[0].info.digest,
            "sha256:785edcde28bd678b814e2ae367eec59614c3fb6e9800ae1cbb2eb7c622a24af8");
  EXPECT_EQ(image->manifest_digest,
            "sha256:d0708eb1855fbd6a07cb0efe2c9ff9fce2b2d1c0b1442f0415423d47fb059eb1");
}

TEST_F(AdapterImageTest, ArchiveMetadataDoesNotMatter) {
  const std::string weights = safetensors_of(5000);
  const auto one =
      build({{"adapter_config.json", kAdapterConfig}, {"adapter_model.safetensors", weights}});
  const auto other = build({{"./adapter_model.safetensors", weights, 1'700'000'000, 1000},
                            {"README.md", "hello"},
                            {"./adapter_config.json", kAdapterConfig, 5, 7}});
  ASSERT_TRUE(one);
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(one->manifest_digest, other->manifest_digest);
}

TEST_F(AdapterImageTest, OtherWeightsAreAnotherImage) {
  const auto one = build({{"adapter_config.json", kAdapterConfig},
                          {"adapter_model.safetensors", safetensors_of(5000, 1)}});
  const auto other = build({{"adapter_config.json", kAdapterConfig},
                            {"adapter_model.safetensors", safetensors_of(5000, 2)}});
  EXPECT_NE(one->manifest_digest, other->manifest_digest);
}

TEST_F(AdapterImageTest, BlockBoundariesAreExact) {
  // Tar sizes around the stored block of 65535 bytes, and none at all beyond it.
  for (const std::size_t size : {65535u - 2048u, 65535u, 65536u, 2u * 65535u, 512u, 511u, 513u}) {
    const std::string weights = safetensors_of(size);
    const auto image =
        build({{"adapter_config.json", kAdapterConfig}, {"adapter_model.safetensors", weights}});
    ASSERT_TRUE(image);
    EXPECT_THAT(unpacked(image->layers[0].file), HasSubstr(weights)) << size;
  }
}

TEST_F(AdapterImageTest, WhatIsNoAdapterIsRefused) {
  const std::string weights = safetensors_of(100);
  const std::vector<std::pair<std::vector<ArchiveMember>, const char*>> cases = {
      {{{"adapter_model.safetensors", weights}}, "no adapter_config.json"},
      {{{"adapter_config.json", kAdapterConfig}}, "no adapter_model.safetensors"},
      {{{"adapter_config.json", "[1]"}, {"adapter_model.safetensors", weights}}, "no JSON object"},
      {{{"adapter_config.json", "{}"}, {"adapter_model.safetensors", "short"}}, "under 10 bytes"},
      {{{"adapter_config.json", "{}"}, {"adapter_model.safetensors", std::string(100, 'x')}},
       "no safetensors"}};
  for (const auto& [members, told] : cases) {
    const auto image = build(members);
    ASSERT_FALSE(image) << told;
    EXPECT_EQ(image.error().reason, "AdapterInvalid");
    EXPECT_THAT(image.error().message, HasSubstr(told));
  }
}

TEST_F(AdapterImageTest, DamagedArchivesAreRefused) {
  const std::string tar = tar_of({{"adapter_config.json", kAdapterConfig},
                                  {"adapter_model.safetensors", safetensors_of(5000)}});
  std::string flipped = tar;
  flipped[3] ^= 1;
  for (const std::string& bytes : {tar.substr(0, 700), tar.substr(0, tar.size() - 3000), flipped,
                                   std::string(), std::string(2048, 'x')}) {
    std::ofstream(folder_.path() / "bad.tar", std::ios::binary) << bytes;
    const auto entries = list_tar(folder_.path() / "bad.tar");
    ASSERT_FALSE(entries) << bytes.size();
    EXPECT_EQ(entries.error().reason, "AdapterInvalid");
    EXPECT_EQ(entries.error().failure_class, FailureClass::kPermanent);
  }
}

TEST(AnnotationsOf, NameModelKeyAndRevision) {
  events::v1::Plan plan;
  plan.set_tuning_key("key");
  plan.mutable_tuning()->set_numerics_version(3);
  plan.mutable_tuning()->mutable_model()->set_repository("org/model");
  plan.mutable_tuning()->mutable_model()->set_revision("abc");
  auto annotations = annotations_of(plan);
  EXPECT_EQ(annotations.at(kModelNameAnnotation), "org/model");
  EXPECT_EQ(annotations.at(kTuningKeyAnnotation), "key");
  EXPECT_EQ(annotations.at("dev.tunesmith.base-model.revision"), "abc");
  plan.mutable_tuning()->mutable_model()->set_preset("preset");
  EXPECT_EQ(annotations_of(plan).at(kModelNameAnnotation), "preset");
}

}  // namespace
}  // namespace tunesmith::image_builder
