#include "runtime/net_address.h"

#include <gtest/gtest.h>

namespace tunesmith {
namespace {

bool is_public(const std::string& number) {
  const auto addresses = numeric_host(number);
  EXPECT_EQ(addresses.size(), 1u) << number;
  return !addresses.empty() && is_public_address(addresses[0]);
}

TEST(PublicAddress, RefusesEveryBlockThatDoesNotLeadOut) {
  for (const char* number : {"0.0.0.0",
                             "0.1.2.3",
                             "10.0.0.1",
                             "100.64.0.1",
                             "100.127.255.255",
                             "127.0.0.1",
                             "127.255.255.255",
                             "169.254.169.254",
                             "172.16.0.1",
                             "172.31.255.255",
                             "192.0.0.8",
                             "192.0.2.1",
                             "192.168.1.1",
                             "198.18.0.1",
                             "198.51.100.7",
                             "203.0.113.9",
                             "224.0.0.1",
                             "240.0.0.1",
                             "255.255.255.255",
                             "168.63.129.16",
                             "::",
                             "::1",
                             "::7f00:1",
                             "fc00::1",
                             "fd00:ec2::254",
                             "fe80::1",
                             "fec0::1",
                             "ff02::1",
                             "2001:db8::1",
                             "2001::1",
                             "100::1",
                             "3fff:1::1",
                             "64:ff9b:1::1"}) {
    EXPECT_FALSE(is_public(number)) << number;
  }
}

TEST(PublicAddress, JudgesTheIpv4AddressInsideIpv6Forms) {
  for (const char* number : {"::ffff:127.0.0.1", "::ffff:10.1.2.3", "64:ff9b::169.254.169.254",
                             "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::1"}) {
    EXPECT_FALSE(is_public(number)) << number;
  }
  EXPECT_TRUE(is_public("::ffff:8.8.8.8"));
  EXPECT_TRUE(is_public("64:ff9b::8.8.8.8"));
  EXPECT_TRUE(is_public("2002:808:808::1"));
}

TEST(PublicAddress, ReadsNumbersAsTheResolverDoes) {
  for (const char* number : {"127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1"}) {
    EXPECT_FALSE(is_public(number)) << number;
  }
}

TEST(PublicAddress, LetsThePublicInternetThrough) {
  for (const char* number : {"8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1",
                             "172.32.0.1", "168.63.129.17", "2606:4700::1111", "2a00::1"}) {
    EXPECT_TRUE(is_public(number)) << number;
  }
}

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
