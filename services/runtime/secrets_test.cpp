#include "runtime/secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "runtime/base64.h"
#include "runtime/text.h"
#include "temp_folder.h"

namespace tunesmith {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPurpose = "create it with the key token";

class SecretsTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder / "team"); }

  Result<Secret> written(const std::string& text, unsigned mode = 0600) {
    EXPECT_TRUE(write_file(folder / "team/data", text, mode).has_value());
    return read();
  }
  Result<Secret> read(const std::string& name = "data") const {
    return read_secret(folder, "team", name, kPurpose);
  }
  // The refusal's message; it never quotes what is in the file.
  static std::string refusal(const Result<Secret>& secret) {
    EXPECT_FALSE(secret.has_value());
    if (secret) return "";
    EXPECT_EQ(secret.error().reason, "SecretInvalid");
    EXPECT_EQ(secret.error().failure_class, FailureClass::kPermanent);
    EXPECT_THAT(secret.error().message, Not(HasSubstr("s3cret")));
    return secret.error().message;
  }

  testing_support::TempFolder temporary_;
  const fs::path folder = temporary_.path();
};

TEST_F(SecretsTest, KeysAndTextsAsInAKubernetesSecret) {
  const auto secret = written(R"({"token": "abc", "other": ""})");
  ASSERT_TRUE(secret.has_value()) << secret.error().message;
  EXPECT_EQ(secret->shown, "team/data");
  EXPECT_EQ(secret->values.at("token"), "abc");
  EXPECT_EQ(secret->values.at("other"), "");
  EXPECT_EQ(secret->docker_config, "");
}

TEST_F(SecretsTest, ADockerConfigIsTheFileOrOneOfItsValues) {
  const std::string config = R"({"auths":{"r.example":{"username":"u","password":"p"}}})";
  EXPECT_EQ(written(config)->docker_config, config);
  EXPECT_EQ(written(R"({"credsStore":"desktop"})")->docker_config, R"({"credsStore":"desktop"})");
  EXPECT_EQ(written(R"({".dockerconfigjson": "{\"auths\":{}}"})")->docker_config,
            R"({"auths":{}})");
}

TEST_F(SecretsTest, AMissingOneIsWorthWaitingFor) {
  for (const auto& missing : {read("none"), read_secret(folder, "other", "data", kPurpose)}) {
    ASSERT_FALSE(missing.has_value());
    EXPECT_EQ(missing.error().reason, "SecretMissing");
    EXPECT_EQ(missing.error().failure_class, FailureClass::kTransient);
    EXPECT_THAT(missing.error().message, HasSubstr(kPurpose));
  }
  EXPECT_THAT(read("none").error().message, HasSubstr("team/none"));
}

TEST_F(SecretsTest, WhatOthersMayReadOrChangeIsRefused) {
  for (const unsigned mode : {0640U, 0604U, 0620U, 0602U}) {
    ASSERT_TRUE(write_file(folder / "team/data", R"({"token": "s3cret"})").has_value());
    ASSERT_EQ(::chmod((folder / "team/data").c_str(), mode), 0);  // whatever the umask is
    EXPECT_THAT(refusal(read()), HasSubstr("team/data")) << std::oct << mode;
    fs::remove(folder / "team/data");
  }
  EXPECT_TRUE(written(R"({"token": "s3cret"})", 0400).has_value());
}

TEST_F(SecretsTest, WhatIsNoObjectOfTextsIsRefused) {
  EXPECT_THAT(refusal(written("s3cret")), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal(written(R"(["s3cret"])")), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal(written(R"({"token": 5})")), HasSubstr("'token'"));
  EXPECT_THAT(refusal(written(std::string((1u << 20) + 1, ' '))), HasSubstr("1 MiB"));
}

TEST_F(SecretsTest, OnlyPlainFilesInsideTheFolderAreOpened) {
  fs::create_directory(folder / "team/folder");
  EXPECT_THAT(refusal(read("folder")), HasSubstr("no plain file"));
  ASSERT_EQ(::mkfifo((folder / "team/pipe").c_str(), 0600), 0);
  EXPECT_THAT(refusal(read("pipe")), HasSubstr("no plain file"));
  for (const char* name : {"", "..", "../team/data", ".hidden", "a/b", "UPPER"})
    refusal(read(name));
  refusal(read_secret(folder, "..", "data", kPurpose));
  EXPECT_THAT(refusal(read_secret("", "team", "data", kPurpose)), HasSubstr("secrets_dir"));
}

TEST_F(SecretsTest, DataIsAuthorisedByATokenOrAPassword) {
  const auto header = [](std::map<std::string, std::string> values) {
    return data_authorization(
        {.shown = "team/data", .values = std::move(values), .docker_config = ""});
  };
  EXPECT_EQ(header({{"token", "abc\n"}}), "Bearer abc");
  EXPECT_EQ(header({{"username", "me"}, {"password", "p:w"}}), "Basic " + base64_encode("me:p:w"));
  using Values = std::map<std::string, std::string>;
  for (const Values& values :
       {Values{}, Values{{"username", "me"}}, Values{{"username", "a:b"}, {"password", "s3cret"}},
        Values{{"token", "s3cret\r\nX-Other: 1"}}, Values{{"token", ""}}}) {
    const auto refused = header(values);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().reason, "SecretInvalid");
    EXPECT_THAT(refused.error().message, HasSubstr("team/data"));
    EXPECT_THAT(refused.error().message, Not(HasSubstr("s3cret")));
  }
}

TEST_F(SecretsTest, TheHubIsAuthorisedByItsOwnKey) {
  EXPECT_EQ(hub_authorization(
                {.shown = "team/hf", .values = {{"HF_TOKEN", "hf_abc"}}, .docker_config = ""}),
            "Bearer hf_abc");
  const auto refused =
      hub_authorization({.shown = "team/hf", .values = {{"token", "x"}}, .docker_config = ""});
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("HF_TOKEN"));
}

}  // namespace
}  // namespace tunesmith
