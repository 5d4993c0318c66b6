// Runs testdata/addresses.yaml, and testdata/connect.yaml against a real server.
#include "runtime/host_guard.h"

#include <gmock/gmock.h>
#include <yaml-cpp/yaml.h>

#include <atomic>

#include "runtime/http_client.h"
#include "runtime/http_test_server.h"

namespace tunesmith {
namespace {

using testing::HasSubstr;
using testing::Not;

YAML::Node table(const std::string& name) {
  return YAML::LoadFile(std::string(TUNESMITH_TEST_DIR) + "/testdata/" + name);
}

TEST(AddressProblem, Table) {
  for (const YAML::Node& row : table("addresses.yaml")) {
    const auto text = row["address"].as<std::string>();
    SCOPED_TRACE(text);
    const auto addresses = numeric_host(text);
    ASSERT_EQ(addresses.size(), 1u);
    EXPECT_EQ(address_problem(addresses[0]).value_or(""), row["refused"].as<std::string>(""));
  }
}

// "PORT" becomes the server's port.
std::string with_port(std::string text, int port) {
  const auto at = text.find("PORT");
  return at == std::string::npos ? text : text.replace(at, 4, std::to_string(port));
}

class ConnectGuard : public testing::Test {
 protected:
  ConnectGuard() {
    server_.server.Get(".*", [this](const httplib::Request& request, httplib::Response& response) {
      const std::string path = request.path.substr(request.path.find_last_of('/'));
      const YAML::Node place = row_["redirects"] ? row_["redirects"][path] : YAML::Node();
      if (place && place.IsScalar()) {
        response.status = 302;
        response.set_header("Location", with_port(place.as<std::string>(), server_.port));
      } else {
        asked_for_secret_ = asked_for_secret_ || path == "/secret";
        response.set_content("secret", "text/plain");
      }
    });
  }

  HttpClientOptions options() const {
    HttpClientOptions options{.guard_addresses = true};
    for (const auto& host :
         row_["allow"].as<std::vector<std::string>>(std::vector<std::string>{})) {
      options.allowed_hosts.insert(with_port(host, server_.port));
    }
    if (row_["proxy"].as<bool>(false)) options.http_proxy = server_.url("");
    options.resolve = [this](const std::string& host) { return resolve(host); };
    return options;
  }

  Result<std::vector<NetAddress>> resolve(const std::string& host) const {
    std::vector<NetAddress> found = numeric_host(host);
    const YAML::Node answers = row_["resolves"] ? row_["resolves"][host] : YAML::Node();
    for (const YAML::Node& answer : answers) {
      const auto text = answer.as<std::string>();
      found.push_back(numeric_host(text == "here" ? "127.0.0.1" : text).at(0));
    }
    if (found.empty()) return transient("ConnectionFailed", host + " has no address");
    return found;
  }

  void run(const YAML::Node& row) {
    row_.reset(row);
    asked_for_secret_ = false;
    const std::string url = with_port(row["url"].as<std::string>(), server_.port) + "?sig=hidden";
    const auto answer = HttpClient(options()).send({.url = url});
    if (!row["refused"]) {
      ASSERT_TRUE(answer) << answer.error().message;
      EXPECT_EQ(answer->body, "secret");
      return;
    }
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, row["reason"].as<std::string>("AddressNotAllowed"));
    EXPECT_EQ(answer.error().failure_class, FailureClass::kPermanent);
    EXPECT_THAT(answer.error().message, HasSubstr(row["refused"].as<std::string>()));
    EXPECT_THAT(answer.error().message, Not(HasSubstr("hidden")));
    EXPECT_FALSE(asked_for_secret_) << "refused, but only after asking";
  }

  Serving<> server_;
  YAML::Node row_;
  std::atomic<bool> asked_for_secret_{false};
};

TEST_F(ConnectGuard, Table) {
  for (const YAML::Node& row : table("connect.yaml")) {
    SCOPED_TRACE(row["name"].as<std::string>());
    run(row);
  }
}

// DNS rebinding: whoever resolves twice connects to another address than the judged one.
TEST_F(ConnectGuard, TheAddressThatWasJudgedIsTheOneConnectedTo) {
  int asked = 0;
  HttpClientOptions options{.guard_addresses = true, .allowed_hosts = {"data.example.org"}};
  options.resolve = [&](const std::string&) -> Result<std::vector<NetAddress>> {
    return numeric_host(++asked == 1 ? "127.0.0.1" : "127.0.0.2");
  };
  const HttpClient http(options);
  const std::string url = "http://data.example.org:" + std::to_string(server_.port) + "/secret";
  ASSERT_TRUE(http.send({.url = url}));
  EXPECT_EQ(asked, 1);
}

TEST_F(ConnectGuard, ANameThatWasPublicIsJudgedAgainAtTheNextConnection) {
  bool turned = false;
  HttpClientOptions options{.guard_addresses = true};
  options.resolve = [&](const std::string&) -> Result<std::vector<NetAddress>> {
    if (!turned) return transient("ConnectionFailed", "not yet");
    return numeric_host("127.0.0.1");
  };
  const HttpClient http(options);
  const std::string url = "http://data.example.org:" + std::to_string(server_.port) + "/secret";
  EXPECT_EQ(http.send({.url = url}).error().reason, "ConnectionFailed");
  turned = true;
  EXPECT_EQ(http.send({.url = url}).error().reason, "AddressNotAllowed");
  EXPECT_FALSE(asked_for_secret_);
}

}  // namespace
}  // namespace tunesmith
