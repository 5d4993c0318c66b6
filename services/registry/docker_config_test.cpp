#include "registry/docker_config.h"

#include <gtest/gtest.h>

namespace tunesmith::registry {
namespace {

struct Case {
  const char* name;
  const char* config;
  const char* registry;
  const char* expected;  // "user|password|identity token", "none", or "!" and a part of the message
};

class DockerConfig : public testing::TestWithParam<Case> {};

TEST_P(DockerConfig, IsLookedUp) {
  const auto found = find_credentials(GetParam().config, GetParam().registry);
  const std::string expected = GetParam().expected;
  if (expected.starts_with("!")) {
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().reason, "PushSecretInvalid");
    EXPECT_NE(found.error().message.find(expected.substr(1)), std::string::npos)
        << found.error().message;
    EXPECT_EQ(found.error().message.find("s3cret"), std::string::npos) << found.error().message;
    return;
  }
  ASSERT_TRUE(found) << found.error().message;
  const std::string told =
      *found ? (*found)->user + "|" + (*found)->password + "|" + (*found)->identity_token : "none";
  EXPECT_EQ(told, expected);
}

INSTANTIATE_TEST_SUITE_P(
    Documents, DockerConfig,
    testing::Values(
        // dTpzM2NyZXQ= is u:s3cret, dTphOmI= is u:a:b
        Case{"Auth", R"({"auths":{"r.example":{"auth":"dTpzM2NyZXQ="}}})", "r.example",
             "u|s3cret|"},
        Case{"ColonInPassword", R"({"auths":{"r.example":{"auth":"dTphOmI="}}})", "r.example",
             "u|a:b|"},
        Case{"Plain", R"({"auths":{"r.example:5000":{"username":"u","password":"s3cret"}}})",
             "r.example:5000", "u|s3cret|"},
        Case{"PortMatters", R"({"auths":{"r.example":{"auth":"dTpzM2NyZXQ="}}})", "r.example:5000",
             "none"},
        Case{"SchemeAndPath", R"({"auths":{"https://R.example/v2/":{"auth":"dTpzM2NyZXQ="}}})",
             "r.example", "u|s3cret|"},
        Case{"DockerHub", R"({"auths":{"https://index.docker.io/v1/":{"auth":"dTpzM2NyZXQ="}}})",
             "docker.io", "u|s3cret|"},
        Case{"IdentityToken",
             R"({"auths":{"r.example":{"auth":"dTpzM2NyZXQ=","identitytoken":"t"}}})", "r.example",
             "u|s3cret|t"},
        Case{"OtherRegistry", R"({"auths":{"other.example":{"auth":"dTpzM2NyZXQ="}}})", "r.example",
             "none"},
        Case{"Empty", "{}", "r.example", "none"},
        Case{"NoJson", "s3cret", "r.example", "!no JSON object"},
        Case{"AuthsList", R"({"auths":["s3cret"]})", "r.example", "!\"auths\" is no object"},
        Case{"BadBase64", R"({"auths":{"r.example":{"auth":"s3cret!"}}})", "r.example", "!base64"},
        Case{"NoColon", R"({"auths":{"r.example":{"auth":"czNjcmV0"}}})", "r.example", "!base64"},
        Case{"NothingInIt", R"({"auths":{"r.example":{"email":"a@b"}}})", "r.example",
             "!no credentials"},
        Case{"Helper", R"({"credHelpers":{"r.example":"ecr-login"}})", "r.example",
             "!credential helper"},
        Case{"HelperOfAnother", R"({"credHelpers":{"x.example":"ecr-login"}})", "r.example",
             "none"},
        Case{"Store", R"({"auths":{"r.example":{}},"credsStore":"desktop"})", "r.example",
             "!credential helper"}),
    [](const auto& info) { return info.param.name; });

TEST(Base64, RoundTripsEveryPadding) {
  for (const std::string text :
       {"", "a", "ab", "abc", "abcd", std::string("\0\xff\0", 3).c_str()}) {
    EXPECT_EQ(base64_decode(base64_encode(text)), text);
  }
  EXPECT_EQ(base64_encode("user:pass"), "dXNlcjpwYXNz");
  EXPECT_FALSE(base64_decode("abc"));
  EXPECT_FALSE(base64_decode("ab*="));
}

}  // namespace
}  // namespace tunesmith::registry
