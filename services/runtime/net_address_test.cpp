#include "runtime/net_address.h"

#include <gtest/gtest.h>

namespace tunesmith {
namespace {

TEST(NumericHost, NamesAreNoNumbers) {
  EXPECT_TRUE(numeric_host("example.com").empty());
  EXPECT_TRUE(numeric_host("").empty());
}

TEST(ResolveHost, SaysWhichNameHasNoAddress) {
  const auto missing = resolve_host("no-such-host.invalid");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, "ConnectionFailed");
  EXPECT_NE(missing.error().message.find("no-such-host.invalid"), std::string::npos);
}

TEST(NoProxy, MatchesAsCurlDoes) {
  EXPECT_TRUE(matches_no_proxy("*", "example.com", 443));
  EXPECT_TRUE(matches_no_proxy("a.b,example.com", "example.com", 443));
  EXPECT_TRUE(matches_no_proxy("a.b, example.com", "www.example.com", 443));
  EXPECT_TRUE(matches_no_proxy(".example.com", "www.example.com", 443));
  EXPECT_TRUE(matches_no_proxy(".Example.com", "example.com", 443));
  EXPECT_TRUE(matches_no_proxy("example.com:443", "example.com", 443));
  EXPECT_TRUE(matches_no_proxy("10.0.0.0/8", "10.1.2.3", 443));
  EXPECT_TRUE(matches_no_proxy("::1", "::1", 80));
  EXPECT_TRUE(matches_no_proxy("fd00::/8", "fd12::1", 80));
  EXPECT_FALSE(matches_no_proxy("", "example.com", 443));
  EXPECT_FALSE(matches_no_proxy("example.com:80", "example.com", 443));
  EXPECT_FALSE(matches_no_proxy("example.com", "badexample.com", 443));
  EXPECT_FALSE(matches_no_proxy("10.0.0.0/8", "11.1.2.3", 443));
  EXPECT_FALSE(matches_no_proxy("10.0.0.0/99", "10.1.2.3", 443));
}

}  // namespace
}  // namespace tunesmith
