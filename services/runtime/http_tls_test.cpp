#include <gmock/gmock.h>

#include <filesystem>
#include <future>
#include <thread>

#include "runtime/http_client.h"
#include "runtime/http_test_server.h"
#include "runtime/process.h"

namespace tunesmith {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

// A CA of the test's own and a certificate for the name data.example.
class TlsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder() = testing::TempDir() + "/http_tls_" + std::to_string(::getpid());
    std::filesystem::create_directories(folder());
    const auto made = run_process(
        {.argv = {"sh", "-ec",
                  "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca "
                  "-keyout ca.key -out ca.pem\n"
                  "openssl req -newkey rsa:2048 -nodes -subj /CN=data.example -keyout host.key "
                  "-out host.csr\n"
                  "printf 'subjectAltName=DNS:data.example' > ext\n"
                  "openssl x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
                  "-extfile ext -out host.pem\n"},
         .working_directory = folder()},
        std::chrono::minutes(1), {});
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_EQ(made->status.code, 0) << made->error_output;
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder()); }
  static std::string& folder() {
    static std::string path;
    return path;
  }

  TlsTest() {
    host_.server.Get("/", [](const httplib::Request& request, httplib::Response& response) {
      response.set_content(request.get_header_value("Host"), "text/plain");
    });
  }
  HttpClientOptions options() const {
    return {.connect_to = {{"data.example:443", host_.address()},
                           {"other.example:443", host_.address()}},
            .ca_file = folder() + "/ca.pem"};
  }
  Serving<httplib::SSLServer> host_{(folder() + "/host.pem").c_str(),
                                    (folder() + "/host.key").c_str()};
};

TEST_F(TlsTest, TrustsThePrivateAuthorityForItsName) {
  const HttpClient http(options());
  for (int i = 0; i < 3; ++i) {
    const auto answer = http.send({.url = "https://data.example/"});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, "data.example");
  }
}

TEST_F(TlsTest, RefusesUnknownAuthoritiesAndOtherNames) {
  const auto other = HttpClient(options()).send({.url = "https://other.example/"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, "TlsNotTrusted");
  EXPECT_THAT(other.error().message, HasSubstr("other.example"));
  HttpClientOptions without = options();
  without.ca_file.clear();
  const auto unknown = HttpClient(without).send({.url = "https://data.example/"});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().reason, "TlsNotTrusted");
  EXPECT_THAT(unknown.error().message, HasSubstr("ca_file"));
  HttpClientOptions missing = options();
  missing.ca_file = "/no/such/file.pem";
  EXPECT_EQ(HttpClient(missing).send({.url = "https://data.example/"}).error().reason,
            "TlsNotTrusted");
}

TEST_F(TlsTest, AStopEndsAHandshake) {
  SilentServer silent;
  std::stop_source stop;
  HttpClientOptions changed = options();
  changed.connect_to["data.example:443"] = "127.0.0.1:" + std::to_string(silent.port);
  changed.connect_timeout = std::chrono::minutes(5);
  const HttpClient http(changed);
  auto answer = std::async(std::launch::async, [&] {
    return http.send({.url = "https://data.example/", .stop = stop.get_token()});
  });
  EXPECT_EQ(answer.wait_for(milliseconds(50)), std::future_status::timeout);
  stop.request_stop();
  EXPECT_EQ(answer.get().error().reason, "Stopped");
}

TEST_F(TlsTest, TunnelsThroughAProxyWithoutShowingTheOriginItsPassword) {
  // A proxy that understands CONNECT once and then hands bytes on.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  std::string seen;
  std::thread proxy([&] {
    const int from = ::accept(listener, nullptr, nullptr);
    char byte = 0;
    while (seen.find("\r\n\r\n") == std::string::npos && ::read(from, &byte, 1) == 1) seen += byte;
    const std::string_view ok = "HTTP/1.1 200 Connection established\r\n\r\n";
    EXPECT_EQ(::write(from, ok.data(), ok.size()), static_cast<ssize_t>(ok.size()));
    sockaddr_in target{};
    target.sin_family = AF_INET;
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    target.sin_port = htons(static_cast<std::uint16_t>(host_.port));
    const int to = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(to, reinterpret_cast<sockaddr*>(&target), sizeof target), 0);
    const auto pump = [](int a, int b) {
      char buffer[4096];
      for (ssize_t n = 0; (n = ::read(a, buffer, sizeof buffer)) > 0;) {
        if (::write(b, buffer, static_cast<std::size_t>(n)) != n) break;
      }
      ::shutdown(b, SHUT_RDWR);
      ::shutdown(a, SHUT_RDWR);
    };
    std::thread back(pump, to, from);
    pump(from, to);
    back.join();
    ::close(to);
    ::close(from);
  });
  std::string origin_saw = "unset";
  host_.server.Get("/seen", [&](const httplib::Request& request, httplib::Response&) {
    origin_saw = request.get_header_value("Proxy-Authorization");
  });
  HttpClientOptions through = options();
  through.connect_to.clear();
  through.https_proxy = "http://user:pass@127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const auto answer = HttpClient(through).send({.url = "https://data.example/seen"});
  proxy.join();
  ::close(listener);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_THAT(seen, HasSubstr("CONNECT data.example:443"));
  EXPECT_THAT(seen, HasSubstr("Proxy-Authorization: Basic dXNlcjpwYXNz"));
  EXPECT_EQ(origin_saw, "");
}

TEST_F(TlsTest, ARedirectThatGivesUpTlsIsNotFollowed) {
  host_.server.Get("/down", [](const httplib::Request&, httplib::Response& response) {
    response.set_redirect("http://data.example/?sig=secret");
  });
  const auto answer = HttpClient(options()).send({.url = "https://data.example/down"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "UrlInvalid");
  EXPECT_THAT(answer.error().message, HasSubstr("from https to http://data.example/"));
  EXPECT_THAT(answer.error().message, Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace tunesmith
