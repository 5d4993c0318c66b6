// Uploads to registries that behave otherwise than docker-registry, within the specification.
#include "registry/blob_upload.h"

#include <gmock/gmock.h>

#include "registry/odd_registry.h"
#include "runtime/sha256.h"

namespace tunesmith::registry {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::OddRegistry;
using testing_support::OddRegistryOptions;

class BlobUploadTest : public testing::Test {
 protected:
  Result<void> upload(const OddRegistry& registry) {
    RegistryOptions options;
    options.insecure_registries.insert(registry.host());
    options.chunk_bytes = 1000;
    options.single_put_bytes = single_put_bytes_;
    options.backoff.first = 5ms;
    options.backoff.most = 20ms;
    RegistrySession session(
        http_, clock_, options,
        {.registry = registry.host(), .repository = "a", .tag = {}, .digest = {}}, {});
    const RegistryCall call{.stop = {},
                            .deadline = clock_.steady_now() + 60s,
                            .on_wait = [this](const Failure&) { ++waits_; }};
    return upload_blob(session, Blob::of_bytes("sha256:" + sha256_hex(content_), content_), call);
  }
  static std::string content() {
    std::string bytes;
    for (int i = 0; i < 2500; ++i) bytes.push_back(static_cast<char>(i * 7 + i / 256));
    return bytes;
  }

  const std::string content_ = content();
  std::uint64_t single_put_bytes_ = 0;
  int waits_ = 0;
  HttpClient http_{HttpClientOptions{}};
  SystemClock clock_;
};

TEST_F(BlobUploadTest, SmallBlobsGoInOnePut) {
  OddRegistry registry({});
  single_put_bytes_ = 2500;
  ASSERT_TRUE(upload(registry));
  EXPECT_EQ(registry.blob(), content_);
  EXPECT_THAT(registry.requests(), ElementsAre("POST", "PUT"));
}

TEST_F(BlobUploadTest, ChunksAreInOrderAndInclusive) {
  OddRegistry registry({});
  ASSERT_TRUE(upload(registry));
  EXPECT_EQ(registry.blob(), content_);
  EXPECT_THAT(registry.requests(),
              ElementsAre("POST", "PATCH 0-999", "PATCH 1000-1999", "PATCH 2000-2499", "PUT"));
}

TEST_F(BlobUploadTest, EachAnswerSaysWhereToGoOn) {
  OddRegistry registry({.absolute_location = true});
  ASSERT_TRUE(upload(registry));
  EXPECT_EQ(registry.blob(), content_);
}

TEST_F(BlobUploadTest, SmallestChunkOfTheRegistryCounts) {
  OddRegistry registry({.chunk_minimum = 1500});
  ASSERT_TRUE(upload(registry));
  EXPECT_THAT(registry.requests(), ElementsAre("POST", "PATCH 0-1499", "PATCH 1500-2499", "PUT"));
}

TEST_F(BlobUploadTest, BusyRegistryIsAskedAndTriedAgain) {
  OddRegistry registry({.busy_answers = 2});
  ASSERT_TRUE(upload(registry));
  EXPECT_EQ(registry.blob(), content_);
  EXPECT_EQ(waits_, 2);
}

TEST_F(BlobUploadTest, CutChunkGoesOnAtTheByteTheRegistryHas) {
  OddRegistry registry({.lost_chunks = 1});
  ASSERT_TRUE(upload(registry));
  EXPECT_EQ(registry.blob(), content_);
  EXPECT_THAT(registry.requests(), Contains("PATCH 500-1499"));
}

TEST_F(BlobUploadTest, ARegistryThatTakesNothingIsWaitedForAndNotFloodedWithTheSamePiece) {
  OddRegistry registry({.deaf_answers = 3});
  ASSERT_TRUE(upload(registry));
  EXPECT_EQ(registry.blob(), content_);
  EXPECT_EQ(waits_, 3);
}

TEST_F(BlobUploadTest, ForgottenUploadBeginsAnew) {
  OddRegistry registry({.forgotten_uploads = 1});
  ASSERT_TRUE(upload(registry));
  EXPECT_EQ(registry.blob(), content_);
  EXPECT_THAT(registry.requests(), ElementsAre("POST", "PATCH 0-999", "POST", "PATCH 0-999",
                                               "PATCH 1000-1999", "PATCH 2000-2499", "PUT"));
}

TEST_F(BlobUploadTest, WrongDigestOnceIsSentAgainAlwaysIsRefused) {
  OddRegistry once({.wrong_digests = 1});
  EXPECT_TRUE(upload(once));
  OddRegistry always({.wrong_digests = -1});
  const auto refused = upload(always);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "PushRefused");
  EXPECT_THAT(refused.error().message, HasSubstr("DIGEST_INVALID"));
  EXPECT_EQ(waits_, 0);
}

}  // namespace
}  // namespace tunesmith::registry
