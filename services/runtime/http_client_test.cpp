#include "runtime/http_client.h"

#include <gmock/gmock.h>

#include <future>
#include <thread>

#include "runtime/http_test_server.h"

namespace tunesmith {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(HttpClient, GetsAnAnswerOfAnyStatus) {
  Serving<> host;
  host.server.Get("/x", [](const httplib::Request& request, httplib::Response& response) {
    response.set_header("X-Seen", request.get_header_value("X-Mine"));
    response.set_content("hello " + request.get_param_value("q"), "text/plain");
  });
  const HttpClient http({});
  const auto found = http.send({.url = host.url("/x?q=a%2Bb"), .headers = {{"x-mine", "1"}}});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->status, 200);
  EXPECT_EQ(found->body, "hello a+b");
  EXPECT_EQ(found->header("x-SEEN"), "1");
  const auto missing = http.send({.url = host.url("/y")});
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->status, 404);
  const auto head = http.send({.method = "HEAD", .url = host.url("/x")});
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->header("Content-Length"), "6");
  EXPECT_EQ(head->body, "");
}

TEST(HttpClient, StreamsADownloadWithItsHead) {
  Serving<> host;
  const std::string content(1'000'000, 'd');
  host.server.Get("/file", [&](const httplib::Request&, httplib::Response& response) {
    response.set_content(content, "application/octet-stream");  // httplib serves ranges of it
  });
  std::string got;
  int head_status = 0;
  const HttpClient http({});
  const auto answer = http.send({.url = host.url("/file"),
                                 .headers = {{"Range", "bytes=999000-"}},
                                 .on_body = [&](const HttpResponse& head, std::string_view piece) {
                                   head_status = head.status;
                                   got += piece;
                                   return true;
                                 }});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 206);
  EXPECT_EQ(head_status, 206);
  EXPECT_EQ(got.size(), 1000u);
  EXPECT_EQ(answer->body, "");
}

TEST(HttpClient, AReceiverMayEndTheDownload) {
  Serving<> host;
  host.server.Get("/file", [&](const httplib::Request&, httplib::Response& response) {
    response.set_content(std::string(5'000'000, 'd'), "application/octet-stream");
  });
  int pieces = 0;
  const auto answer = HttpClient({}).send(
      {.url = host.url("/file"), .on_body = [&](const HttpResponse&, std::string_view) {
         ++pieces;
         return false;
       }});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(pieces, 1);
}

TEST(HttpClient, BodiesAreBounded) {
  Serving<> host;
  host.server.Get("/big", [](const httplib::Request& request, httplib::Response& response) {
    response.set_content(std::string(200'000, 'x'), "text/plain");
    if (request.has_param("bad")) response.status = 500;
  });
  const HttpClient http({});
  const auto large = http.send({.url = host.url("/big?secret"), .max_body_bytes = 199'999});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().reason, "ResponseTooLarge");
  EXPECT_THAT(large.error().message, Not(HasSubstr("secret")));
  EXPECT_TRUE(http.send({.url = host.url("/big"), .max_body_bytes = 200'000}));
  const auto bad = http.send({.url = host.url("/big?bad"), .max_body_bytes = 10});
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->status, 500);
  EXPECT_EQ(bad->body.size(), 65536u);
}

TEST(HttpClient, SendsBodiesFromBytesAndFromAProvider) {
  Serving<> host;
  const auto echo_size = [](const httplib::Request& request, httplib::Response& response) {
    response.set_content(request.get_header_value("Content-Length") + " " +
                             std::to_string(request.body.size()) + " " + request.body.substr(0, 3),
                         "text/plain");
  };
  host.server.Put("/up", echo_size);
  host.server.Post("/up", echo_size);
  const HttpClient http({});
  EXPECT_EQ(http.send({.method = "POST", .url = host.url("/up"), .body = "abc"})->body, "3 3 abc");
  EXPECT_EQ(http.send({.method = "POST", .url = host.url("/up")})->body, "0 0 ");
  const std::string content = "xyz" + std::string(3'000'000, 'u');
  const auto provide = [&](std::uint64_t offset, std::size_t most) {
    return content.substr(offset, most);
  };
  const auto put = http.send({.method = "PUT",
                              .url = host.url("/up"),
                              .headers = {{"Content-Type", "application/octet-stream"}},
                              .body_provider = provide,
                              .body_size = content.size()});
  ASSERT_TRUE(put) << put.error().message;
  EXPECT_EQ(put->body, "3000003 3000003 xyz");
  const auto dry = http.send({.method = "PUT",
                              .url = host.url("/up"),
                              .body_provider = provide,
                              .body_size = content.size() + 1});
  ASSERT_FALSE(dry);
  EXPECT_EQ(dry.error().reason, "ConnectionLost");
}

TEST(HttpClient, FollowsRedirectsAndDropsCredentialsBetweenHosts) {
  Serving<> first;
  Serving<> second;
  const auto show = [](const httplib::Request& request, httplib::Response& response) {
    response.set_content(request.method + " " + request.get_header_value("Authorization") + " " +
                             request.get_header_value("X-Other") + " " + request.body,
                         "text/plain");
  };
  first.server.Get("/same", show);
  first.server.Put("/same", show);
  second.server.Get("/end", show);
  const auto redirect = [](int status, const std::string& to) {
    return [=](const httplib::Request&, httplib::Response& response) {
      response.status = status;
      response.set_header("Location", to);
      response.set_content("moved", "text/plain");
    };
  };
  first.server.Get("/a", redirect(302, "same"));
  first.server.Get("/b", redirect(307, second.url("/end?sig=1")));
  first.server.Put("/keep", redirect(307, "/same"));
  first.server.Post("/see", redirect(303, "/same"));
  const HttpClient http({});
  HttpRequest request{.url = first.url("/a"),
                      .headers = {{"authorization", "secret"}, {"X-Other", "kept"}}};
  EXPECT_EQ(http.send(request)->body, "GET secret kept ");
  EXPECT_EQ(http.send(request)->final_url, first.url("/same"));
  request.url = first.url("/b");
  EXPECT_EQ(http.send(request)->body, "GET  kept ");
  EXPECT_EQ(http.send(request)->final_url, second.url("/end?sig=1"));
  request.follow_redirects = false;
  EXPECT_EQ(http.send(request)->status, 307);
  EXPECT_EQ(http.send({.method = "PUT", .url = first.url("/keep"), .body = "b"})->body, "PUT   b");
  EXPECT_EQ(http.send({.method = "POST", .url = first.url("/see"), .body = "b"})->body, "GET   ");
}

TEST(HttpClient, GivesUpOnRedirectLoops) {
  Serving<> host;
  host.server.Get("/loop", [](const httplib::Request&, httplib::Response& response) {
    response.set_redirect("/loop?token=1");
  });
  const auto answer = HttpClient({}).send({.url = host.url("/loop?sig=secret")});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "TooManyRedirects");
  EXPECT_THAT(answer.error().message, AllOf(Not(HasSubstr("secret")), Not(HasSubstr("token"))));
}

TEST(HttpClient, ConnectToKeepsTheNameInHost) {
  Serving<> host;
  host.server.Get("/", [](const httplib::Request& request, httplib::Response& response) {
    response.set_content(request.get_header_value("Host"), "text/plain");
  });
  const HttpClient http({.connect_to = {{"registry.example:5000", host.address()},
                                        {"plain.example:80", host.address()}}});
  EXPECT_EQ(http.send({.url = "http://registry.example:5000/"})->body, "registry.example:5000");
  EXPECT_EQ(http.send({.url = "http://plain.example/"})->body, "plain.example");
}

TEST(HttpClient, TheGuardJudgesTheAddressConnectedTo) {
  Serving<> host;
  host.server.Get("/", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("inside", "text/plain");
  });
  HttpClientOptions options{.connect_to = {{"public.example:80", host.address()}},
                            .guard_addresses = true};
  const HttpClient guarded(options);
  const std::string port = std::to_string(host.port);
  for (const std::string& url :
       {host.url("/?sig=secret"), "http://localhost:" + port + "/", "http://127.1:" + port + "/",
        "http://2130706433:" + port + "/", "http://[::ffff:127.0.0.1]:" + port + "/",
        std::string("http://public.example/")}) {
    const auto answer = guarded.send({.url = url});
    ASSERT_FALSE(answer) << url;
    EXPECT_EQ(answer.error().reason, "AddressNotAllowed") << answer.error().message;
    EXPECT_THAT(answer.error().message,
                AllOf(HasSubstr("allowed_data_hosts"), Not(HasSubstr("secret"))));
  }
  options.allowed_hosts = {"public.example", "127.0.0.1:" + port};
  const HttpClient allowed(options);
  EXPECT_EQ(allowed.send({.url = "http://public.example/"})->body, "inside");
  EXPECT_EQ(allowed.send({.url = host.url("/")})->body, "inside");
  EXPECT_FALSE(allowed.send({.url = "http://127.0.0.1:1/"}));
}

TEST(HttpClient, TheGuardHoldsOnRedirects) {
  Serving<> host;
  host.server.Get("/in", [&](const httplib::Request&, httplib::Response& response) {
    response.set_redirect("http://localhost:" + std::to_string(host.port) + "/secret");
  });
  const HttpClient http({.guard_addresses = true, .allowed_hosts = {"127.0.0.1"}});
  const auto answer = http.send({.url = host.url("/in")});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "AddressNotAllowed");
}

TEST(HttpClient, AStopEndsARunningRequest) {
  SilentServer host;
  std::stop_source stop;
  const HttpClient http({});
  auto answer = std::async(std::launch::async, [&] {
    return http.send(
        {.url = "http://127.0.0.1:" + std::to_string(host.port) + "/", .stop = stop.get_token()});
  });
  EXPECT_EQ(answer.wait_for(milliseconds(50)), std::future_status::timeout);
  stop.request_stop();
  const auto stopped = answer.get();  // without the stop: after the idle time of 60 s
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().reason, "Stopped");
  const auto at_once = http.send(
      {.url = "http://127.0.0.1:" + std::to_string(host.port) + "/", .stop = stop.get_token()});
  ASSERT_FALSE(at_once);
  EXPECT_EQ(at_once.error().reason, "Stopped");
}

TEST(HttpClient, IdleAndTotalTimesEndARequest) {
  SilentServer host;
  const std::string url = "http://127.0.0.1:" + std::to_string(host.port) + "/";
  const auto idle = HttpClient({.idle_timeout = milliseconds(100)}).send({.url = url});
  ASSERT_FALSE(idle);
  EXPECT_EQ(idle.error().reason, "TimedOut");
  EXPECT_THAT(idle.error().message, HasSubstr("without a byte"));
  const auto total = HttpClient({}).send({.url = url, .total_timeout = milliseconds(100)});
  ASSERT_FALSE(total);
  EXPECT_EQ(total.error().reason, "TimedOut");
  EXPECT_THAT(total.error().message, HasSubstr("did not end within 100 ms"));
}

TEST(HttpClient, TheTotalTimeAlsoEndsAServerThatDrips) {
  Serving<> host;
  std::atomic<bool> over{false};
  host.server.Get("/drip", [&](const httplib::Request&, httplib::Response& response) {
    response.set_chunked_content_provider("text/plain", [&](std::size_t, httplib::DataSink& sink) {
      std::this_thread::sleep_for(milliseconds(10));
      return !over && sink.write("x", 1);
    });
  });
  const auto answer =
      HttpClient({}).send({.url = host.url("/drip"), .total_timeout = milliseconds(300)});
  over = true;
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "TimedOut");
}

TEST(HttpClient, ABrokenAnswerIsAConnectionLost) {
  Serving<> host;
  host.server.Get("/cut", [&](const httplib::Request&, httplib::Response& response) {
    response.set_content_provider(1000, "text/plain",
                                  [](std::size_t, std::size_t, httplib::DataSink& sink) {
                                    sink.write("only this", 9);
                                    return false;
                                  });
  });
  const auto cut = HttpClient({}).send({.url = host.url("/cut")});
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().reason, "ConnectionLost");
  EXPECT_EQ(cut.error().failure_class, FailureClass::kTransient);
}

TEST(HttpClient, NobodyThereIsAConnectionFailed) {
  int port = 0;
  {
    SilentServer gone;
    port = gone.port;
  }
  const auto answer =
      HttpClient({}).send({.url = "http://127.0.0.1:" + std::to_string(port) + "/a?sig=secret"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "ConnectionFailed");
  EXPECT_THAT(answer.error().message,
              AllOf(HasSubstr("GET http://127.0.0.1:" + std::to_string(port) + "/a"),
                    Not(HasSubstr("secret"))));
}

TEST(HttpClient, GoesThroughAProxyButNotForItsExceptions) {
  Serving<> proxy;
  proxy.server.Get(".*", [](const httplib::Request& request, httplib::Response& response) {
    response.set_content(request.target + " " + request.get_header_value("Proxy-Authorization"),
                         "text/plain");
  });
  const HttpClient http(
      {.http_proxy = "http://user:p%40ss@" + proxy.address(), .no_proxy = "127.0.0.1"});
  const auto through = http.send({.url = "http://data.example/file?x=1"});
  ASSERT_TRUE(through) << through.error().message;
  EXPECT_EQ(through->body, "http://data.example:80/file?x=1 Basic dXNlcjpwQHNz");
  EXPECT_EQ(http.send({.url = proxy.url("/direct")})->body, "/direct ");
  const auto socks = HttpClient({.http_proxy = "socks5://u:secret@h:1"}).send({.url = "http://x/"});
  ASSERT_FALSE(socks);
  EXPECT_EQ(socks.error().reason, "ConfigInvalid");
  EXPECT_THAT(socks.error().message, Not(HasSubstr("secret")));
}

TEST(HttpClient, RefusesHeadersWithLineBreaks) {
  const auto answer =
      HttpClient({}).send({.url = "http://127.0.0.1:1/", .headers = {{"X", "a\r\nY: b"}}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().failure_class, FailureClass::kPermanent);
}

}  // namespace
}  // namespace tunesmith
