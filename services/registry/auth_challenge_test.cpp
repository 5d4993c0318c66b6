#include "registry/auth_challenge.h"

#include <gtest/gtest.h>

namespace tunesmith::registry {
namespace {

struct Case {
  const char* header;
  std::vector<AuthChallenge> expected;
};

class Challenges : public testing::TestWithParam<Case> {};

TEST_P(Challenges, AreRead) {
  const auto found = parse_challenges(GetParam().header);
  ASSERT_EQ(found.size(), GetParam().expected.size()) << GetParam().header;
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].scheme, GetParam().expected[i].scheme);
    EXPECT_EQ(found[i].parameters, GetParam().expected[i].parameters) << GetParam().header;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Headers, Challenges,
    testing::Values(
        Case{"", {}}, Case{"Basic realm=\"basic-realm\"", {{"basic", {{"realm", "basic-realm"}}}}},
        Case{"basic", {{"basic", {}}}},
        Case{
            R"(Bearer realm="https://a.example/token",service="r.example",scope="repository:a/b:pull,push")",
            {{"bearer",
              {{"realm", "https://a.example/token"},
               {"service", "r.example"},
               {"scope", "repository:a/b:pull,push"}}}}},
        Case{R"(BEARER Realm = "x" , SERVICE=y)", {{"bearer", {{"realm", "x"}, {"service", "y"}}}}},
        Case{R"(Bearer realm="a\"b",error="invalid_token")",
             {{"bearer", {{"realm", "a\"b"}, {"error", "invalid_token"}}}}},
        Case{R"(Negotiate, Basic realm="one", Bearer realm="two")",
             {{"negotiate", {}}, {"basic", {{"realm", "one"}}}, {"bearer", {{"realm", "two"}}}}},
        Case{R"(Bearer realm="never ends)", {{"bearer", {}}}}, Case{R"(="x")", {}},
        Case{R"(realm="no scheme")", {}}));

}  // namespace
}  // namespace tunesmith::registry
