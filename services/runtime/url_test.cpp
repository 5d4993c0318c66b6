#include "runtime/url.h"

#include <gmock/gmock.h>

#include "runtime/http_client.h"

namespace tunesmith {
namespace {

TEST(ParseUrl, SplitsItsParts) {
  const auto url = parse_url("HTTPS://Example.COM:8443/a/b?x=1&y=/#part");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "example.com");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/a/b");
  EXPECT_EQ(url->query, "x=1&y=/");
  EXPECT_EQ(parse_url("http://h")->path, "/");
  EXPECT_EQ(parse_url("http://h")->port, 80);
  EXPECT_EQ(parse_url("https://h?q")->port, 443);
  EXPECT_EQ(parse_url("https://h?q")->query, "q");
  EXPECT_EQ(parse_url("http://[::1]:8080/x")->host, "::1");
  EXPECT_EQ(host_header(*parse_url("http://[::1]:8080/x")), "[::1]:8080");
}

TEST(ParseUrl, RefusesWhatIsNoPlainHttpUrl) {
  for (const char* text :
       {"", "example.com/x", "ftp://h/x", "file:///etc/passwd", "http://", "http:///x",
        "http://h:0/", "http://h:65536/", "http://h:8a/", "http://user:secret@h/", "http://a b/",
        "http://h/a b", "http://h/a\r\nX: y", "http://[::1/", "http://[1.2.3.4]/", "http://[::1]x/",
        "http://h\\@evil/"}) {
    const auto url = parse_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().reason, "UrlInvalid");
    EXPECT_THAT(url.error().message, testing::Not(testing::HasSubstr("secret"))) << text;
  }
}

TEST(RedactUrl, KeepsNeitherLoginNorQuery) {
  EXPECT_EQ(redact_url("https://u:p@h:1/a?sig=s#f"), "https://h:1/a");
  EXPECT_EQ(redact_url("https://h/a@b"), "https://h/a@b");
  EXPECT_EQ(redact_url("u:p@h/a?b"), "h/a");
  EXPECT_EQ(redact_url("https://h"), "https://h");
}

TEST(ResolveLocation, FollowsRfc3986) {
  const Url base = *parse_url("https://h:8443/a/b/c?q=1");
  const auto lead = [&](const char* location) {
    const auto url = resolve_location(base, location);
    return url ? to_string(*url) : "refused";
  };
  EXPECT_EQ(lead("http://other/x"), "http://other/x");
  EXPECT_EQ(lead("//other/x"), "https://other/x");
  EXPECT_EQ(lead("/x?y=2"), "https://h:8443/x?y=2");
  EXPECT_EQ(lead("x"), "https://h:8443/a/b/x");
  EXPECT_EQ(lead("../x"), "https://h:8443/a/x");
  EXPECT_EQ(lead("../../../x"), "https://h:8443/x");
  EXPECT_EQ(lead("./"), "https://h:8443/a/b/");
  EXPECT_EQ(lead("?y=2"), "https://h:8443/a/b/c?y=2");
  EXPECT_EQ(lead("/next?u=http://else/"), "https://h:8443/next?u=http://else/");
  EXPECT_EQ(lead("/with space#part"), "https://h:8443/with%20space");
  EXPECT_EQ(lead("file:///etc/passwd"), "refused");
}

TEST(RequestTarget, TouchesNothingButBytesBeyondAscii) {
  EXPECT_EQ(request_target(*parse_url("http://h/a%20b?sig=a+b%2Bc")), "/a%20b?sig=a+b%2Bc");
  EXPECT_EQ(request_target(*parse_url("http://h/\xC3\xA4")), "/%C3%A4");
}

TEST(RetryAfter, ReadsSecondsAndDates) {
  const auto read = [](const std::string& value) {
    return retry_after(
        {.headers = {{"retry-after", value}, {"Date", "Tue, 24 Nov 2026 09:00:00 GMT"}}});
  };
  EXPECT_EQ(read("7"), std::chrono::seconds(7));
  EXPECT_EQ(read("0"), std::chrono::seconds(0));
  EXPECT_EQ(read("86400"), std::chrono::seconds(600));
  EXPECT_EQ(read("99999999999999999999"), std::chrono::seconds(600));
  EXPECT_EQ(read("Tue, 24 Nov 2026 09:00:30 GMT"), std::chrono::seconds(30));
  EXPECT_EQ(read("Tue, 24 Nov 2026 08:00:00 GMT"), std::chrono::seconds(0));
  EXPECT_EQ(read("-1"), std::nullopt);
  EXPECT_EQ(read("soon"), std::nullopt);
  EXPECT_EQ(retry_after({}), std::nullopt);
}

}  // namespace
}  // namespace tunesmith
