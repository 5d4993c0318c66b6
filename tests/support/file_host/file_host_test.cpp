#include "file_host/file_host.h"

#include <gmock/gmock.h>
#include <httplib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "temp_folder.h"

namespace tunesmith::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string letters(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += static_cast<char>('a' + i % 26);
  return text;
}

class FileHostTest : public ::testing::Test {
 protected:
  FileHostTest() {
    write("data/train.txt", content_);
    write("models/acme/tiny/config.json", R"({"model_type":"llama"})");
    write("models/acme/tiny/model.safetensors", letters(1000));
    write("models/acme/tiny/.complete", "");
    host_ = *FileHost::start({.root = root_});
    client_ = std::make_unique<httplib::Client>("127.0.0.1", host_->port());
  }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << text;
  }

  void fault(const json& rule) const { host_->set_faults({*parse_fault(rule)}); }

  const std::string content_ = letters(200'000);
  testing_support::TempFolder temporary_;
  const fs::path root_ = temporary_.path();
  std::unique_ptr<FileHost> host_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(FileHostTest, ServesAFileWithItsDigestAsEtag) {
  const auto got = client_->Get("/data/train.txt?download=true");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->body, content_);
  EXPECT_THAT(got->get_header_value("ETag"), ::testing::MatchesRegex("\"[0-9a-f]+\""));
  EXPECT_EQ(got->get_header_value("ETag").size(), 66U);

  const auto head = client_->Head("/data/train.txt");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->get_header_value("Content-Length"), "200000");
  EXPECT_EQ(head->get_header_value("ETag"), got->get_header_value("ETag"));
  EXPECT_TRUE(head->body.empty());
}

TEST_F(FileHostTest, EtagFollowsTheContent) {
  const auto before = client_->Head("/data/train.txt")->get_header_value("ETag");
  write("data/train.txt", "other");
  EXPECT_NE(client_->Head("/data/train.txt")->get_header_value("ETag"), before);
}

TEST_F(FileHostTest, ServesRanges) {
  struct Case {
    std::string range;
    std::string content_range;
    std::string body;
  };
  for (const Case& c :
       {Case{"bytes=0-4", "bytes 0-4/200000", content_.substr(0, 5)},
        Case{"bytes=199990-", "bytes 199990-199999/200000", content_.substr(199'990)},
        Case{"bytes=-8", "bytes 199992-199999/200000", content_.substr(199'992)},
        Case{"bytes=100-999999", "bytes 100-199999/200000", content_.substr(100)}}) {
    const auto got = client_->Get("/data/train.txt", {{"Range", c.range}});
    ASSERT_TRUE(got) << c.range;
    EXPECT_EQ(got->status, 206) << c.range;
    EXPECT_EQ(got->get_header_value("Content-Range"), c.content_range);
    EXPECT_EQ(got->body, c.body) << c.range;
  }
}

TEST_F(FileHostTest, RefusesARangePastTheEnd) {
  const auto got = client_->Get("/data/train.txt", {{"Range", "bytes=200000-"}});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 416);
  EXPECT_EQ(got->get_header_value("Content-Range"), "bytes */200000");
}

TEST_F(FileHostTest, IfRangeOfAnotherVersionGetsTheWholeFile) {
  const auto etag = client_->Head("/data/train.txt")->get_header_value("ETag");
  const auto same = client_->Get("/data/train.txt", {{"Range", "bytes=10-19"}, {"If-Range", etag}});
  EXPECT_EQ(same->status, 206);
  const auto other =
      client_->Get("/data/train.txt", {{"Range", "bytes=10-19"}, {"If-Range", "\"0\""}});
  EXPECT_EQ(other->status, 200);
  EXPECT_EQ(other->body, content_);
}

TEST_F(FileHostTest, ShowsNothingOutsideTheFolder) {
  for (const std::string path : {"/data/none.txt", "/data", "/../etc/passwd",
                                 "/data/..%2f..%2fetc/passwd", "/models/acme/tiny/.complete"}) {
    const auto got = client_->Get(path);
    ASSERT_TRUE(got) << path;
    EXPECT_EQ(got->status, 404) << path;
  }
}

TEST_F(FileHostTest, DescribesAModelAsTheHubDoes) {
  const auto got = client_->Get("/api/models/acme/tiny/revision/main?blobs=true");
  ASSERT_TRUE(got);
  ASSERT_EQ(got->status, 200);
  const auto model = json::parse(got->body);
  EXPECT_EQ(model["id"], "acme/tiny");
  EXPECT_EQ(model["sha"].get<std::string>().size(), 40U);
  ASSERT_EQ(model["siblings"].size(), 2U) << "hidden files are no part of a model";
  EXPECT_EQ(model["siblings"][0], json({{"rfilename", "config.json"}, {"size", 22}}));
  EXPECT_EQ(model["siblings"][1]["lfs"]["sha256"],
            "915e53a44c18b19bb06ba5b3f5fcaf1dc4651e8404c63425cfc6174e74659d87");

  const auto plain = json::parse(client_->Get("/api/models/acme/tiny")->body);
  EXPECT_FALSE(plain["siblings"][1].contains("size"));
}

TEST_F(FileHostTest, ResolvesFilesOfARevision) {
  const std::string sha = json::parse(client_->Get("/api/models/acme/tiny")->body)["sha"];
  const auto got = client_->Get("/acme/tiny/resolve/" + sha + "/config.json");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->body, R"({"model_type":"llama"})");
  EXPECT_EQ(got->get_header_value("X-Repo-Commit"), sha);
  EXPECT_EQ(client_->Get("/acme/tiny/resolve/main/none.json")->get_header_value("X-Error-Code"),
            "EntryNotFound");
  EXPECT_EQ(client_->Get("/acme/tiny/resolve/v2/config.json")->get_header_value("X-Error-Code"),
            "RevisionNotFound");
}

TEST_F(FileHostTest, AnUnknownModelIsHiddenLikeAPrivateOne) {
  const auto anonymous = client_->Get("/api/models/acme/none/revision/main");
  EXPECT_EQ(anonymous->status, 401);
  EXPECT_EQ(anonymous->get_header_value("X-Error-Code"), "RepoNotFound");
  EXPECT_EQ(client_->Get("/api/models/acme/none", {{"Authorization", "Bearer t"}})->status, 404);
}

TEST_F(FileHostTest, StatusFaultActsAsOftenAsSaid) {
  fault({{"path", "/data/train.txt"}, {"status", 503}, {"retry_after", "1"}, {"times", 2}});
  for (int i = 0; i < 2; ++i) {
    const auto got = client_->Get("/data/train.txt");
    EXPECT_EQ(got->status, 503);
    EXPECT_EQ(got->get_header_value("Retry-After"), "1");
  }
  EXPECT_EQ(client_->Get("/data/train.txt")->status, 200);
}

TEST_F(FileHostTest, CutsTheConnectionOnceAndServesTheRest) {
  fault({{"path", "/data/train.txt"}, {"cut_after", 70'000}, {"times", 1}});
  std::string body;
  const auto collect = [&](const char* data, std::size_t size) {
    body.append(data, size);
    return true;
  };
  EXPECT_FALSE(client_->Get("/data/train.txt", collect)) << "a short body is an error";
  EXPECT_EQ(body, content_.substr(0, 70'000));
  ASSERT_TRUE(client_->Get("/data/train.txt", {{"Range", "bytes=70000-"}}, collect));
  EXPECT_EQ(body, content_);

  const auto seen = host_->requests();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].body_bytes, 70'000U);
  EXPECT_EQ(seen[1].range, "bytes=70000-");
  EXPECT_EQ(seen[1].status, 206);
}

TEST_F(FileHostTest, CorruptsOneByteAlsoWithinARange) {
  fault({{"path", "/data/train.txt"}, {"corrupt_at", 100'000}});
  std::string wrong = content_;
  wrong[100'000] = static_cast<char>(~wrong[100'000]);
  EXPECT_EQ(client_->Get("/data/train.txt")->body, wrong);
  EXPECT_EQ(client_->Get("/data/train.txt", {{"Range", "bytes=99990-100010"}})->body,
            wrong.substr(99'990, 21));
}

TEST_F(FileHostTest, AsksForAToken) {
  fault({{"path", "*"}, {"bearer_token", "secret"}});
  EXPECT_EQ(client_->Get("/data/train.txt")->status, 401);
  EXPECT_EQ(client_->Get("/data/train.txt", {{"Authorization", "Bearer wrong"}})->status, 401);
  EXPECT_EQ(client_->Get("/data/train.txt", {{"Authorization", "Bearer secret"}})->status, 200);
}

TEST_F(FileHostTest, Redirects) {
  fault({{"path", "/data/train.txt"}, {"redirect", "http://169.254.169.254/"}});
  const auto got = client_->Get("/data/train.txt");
  EXPECT_EQ(got->status, 302);
  EXPECT_EQ(got->get_header_value("Location"), "http://169.254.169.254/");
}

TEST_F(FileHostTest, SendsNoFasterThanSaid) {
  fault({{"path", "/data/train.txt"}, {"bytes_per_second", 1'000'000}});
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(client_->Get("/data/train.txt")->body, content_);
  // The last tenth of a second's worth goes without a pause.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(90));
}

TEST_F(FileHostTest, StoppingEndsAStalledAnswer) {
  fault({{"path", "/data/train.txt"}, {"stall_after", 1000}});
  std::string body;
  std::thread reader([&] {
    client_->Get("/data/train.txt", [&](const char* data, std::size_t size) {
      body.append(data, size);
      return true;
    });
  });
  while (host_->requests().empty() || host_->requests()[0].body_bytes < 1000)
    std::this_thread::yield();
  host_.reset();
  reader.join();
  EXPECT_EQ(body, content_.substr(0, 1000));
}

TEST_F(FileHostTest, OtherProcessesControlItOverHttp) {
  const auto put = client_->Put("/_control/faults", R"([{"path":"/data/train.txt","status":404}])",
                                "application/json");
  EXPECT_EQ(put->status, 200);
  EXPECT_EQ(client_->Get("/data/train.txt?sv=1")->status, 404);
  const auto seen = json::parse(client_->Get("/_control/requests")->body);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0]["path"], "/data/train.txt");
  EXPECT_EQ(seen[0]["query"], "sv=1");
  EXPECT_EQ(seen[0]["status"], 404);

  const auto bad =
      client_->Put("/_control/faults", R"([{"path":"/x","stauts":404}])", "application/json");
  EXPECT_EQ(bad->status, 400);
  EXPECT_THAT(bad->body, ::testing::HasSubstr("stauts"));
}

TEST(FileHost, SaysWhatItCannotServe) {
  const auto host = FileHost::start({.root = "/nonexistent"});
  ASSERT_FALSE(host);
  EXPECT_EQ(host.error(), "/nonexistent is no folder");
}

TEST_F(FileHostTest, AsksForAPasswordBelowAPath) {
  fault({{"path", "/data/*"}, {"basic_auth", "me:pass"}});
  EXPECT_EQ(client_->Get("/data/train.txt")->status, 401);
  EXPECT_EQ(client_->Get("/models/acme/tiny/config.json")->status, 200);
  client_->set_basic_auth("me", "pass");
  EXPECT_EQ(client_->Get("/data/train.txt")->status, 200);
}

TEST_F(FileHostTest, RangesAndTagsCanBeWrong) {
  fault({{"path", "/data/train.txt"}, {"ignore_range", true}, {"etag", "none"}});
  auto got = client_->Get("/data/train.txt", {{"Range", "bytes=5-9"}});
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->body.size(), content_.size());
  EXPECT_FALSE(got->has_header("ETag"));
  fault({{"path", "/data/train.txt"}, {"range_from", 3}, {"etag", "\"other\""}});
  got = client_->Get("/data/train.txt", {{"Range", "bytes=5-9"}});
  EXPECT_EQ(got->status, 206);
  EXPECT_EQ(got->body, content_.substr(3));
  EXPECT_EQ(got->get_header_value("ETag"), "\"other\"");
}

}  // namespace
}  // namespace tunesmith::testing
