#include "cli/secret_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tunesmith::cli {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

TEST(SecretFiles, LoginsAreADockerConfigAndAdded) {
  const auto one = with_docker_login("", "a.example", "me", "pw");
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(json::parse(*one), json::parse(R"({"auths":{"a.example":{"auth":"bWU6cHc="}}})"));
  const auto two = with_docker_login(*one, "b.example:5000", "me", "pw2");
  ASSERT_TRUE(two);
  EXPECT_THAT(contents_of(*two), ElementsAre("login of a.example", "login of b.example:5000"));
  EXPECT_EQ(json::parse(*with_docker_login(*two, "a.example", "me", "pw"))["auths"].size(), 2u);
}

TEST(SecretFiles, ValuesAreAFlatObjectAndAdded) {
  const auto one = with_values("", {{"token", "t"}});
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(json::parse(*one), json::parse(R"({"token":"t"})"));
  const auto two = with_values(*one, {{"HF_TOKEN", "h"}, {"token", "new"}});
  EXPECT_EQ(json::parse(*two), json::parse(R"({"HF_TOKEN":"h","token":"new"})"));
  EXPECT_THAT(contents_of(*two), ElementsAre("HF_TOKEN", "token"));
}

TEST(SecretFiles, OneKindDoesNotBecomeTheOther) {
  const std::string logins = *with_docker_login("", "a.example", "me", "pw");
  const std::string values = *with_values("", {{"token", "t"}});
  EXPECT_EQ(with_values(logins, {{"token", "t"}}).error().reason, "SecretInvalid");
  EXPECT_EQ(with_docker_login(values, "a.example", "me", "pw").error().reason, "SecretInvalid");
  EXPECT_EQ(with_values("no json", {{"token", "t"}}).error().reason, "SecretInvalid");
}

TEST(SecretFiles, WhatCouldNotBeReadBackIsRefused) {
  for (const char* key : {"", "a b", "a/b", ".."}) {
    EXPECT_EQ(with_values("", {{key, "x"}}).error().reason, "UsageError") << key;
  }
  EXPECT_EQ(with_values("", {{"token", ""}}).error().reason, "UsageError");
  EXPECT_EQ(with_values("", {{"token", "\xff"}}).error().reason, "UsageError");
  EXPECT_EQ(with_docker_login("", "a", "m:e", "pw").error().reason, "UsageError");
  EXPECT_EQ(with_docker_login("", "a", "me", "").error().reason, "UsageError");
  for (const char* name : {"", "A", "../x", "-a", "a.", "a/b", ".hidden"}) {
    EXPECT_FALSE(check_secret_name("default", name)) << name;
    EXPECT_FALSE(check_secret_name(name, "a")) << name;
  }
  EXPECT_TRUE(check_secret_name("default", "push-secret.1"));
}

TEST(SecretFiles, AnErrorNeverHoldsAValue) {
  const std::string secret = "TOP-SECRET\xff";
  EXPECT_EQ(with_values("", {{"k", secret}}).error().message.find("TOP-SECRET"), std::string::npos);
}

TEST(SecretFiles, OneLineEndIsTheShells) {
  EXPECT_EQ(without_line_end("a\r\n"), "a");
  EXPECT_EQ(without_line_end("a\n\n"), "a\n");
  EXPECT_EQ(without_line_end(""), "");
}

}  // namespace
}  // namespace tunesmith::cli
