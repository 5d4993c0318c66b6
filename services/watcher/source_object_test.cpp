#include <gtest/gtest.h>

#include "watcher/source_kv.h"

namespace tunesmith::watcher {
namespace {

std::string object_with(const std::string& uid, const std::string& more = "") {
  return R"({"metadata":{"namespace":"default","name":"a","generation":1,"uid":")" + uid + "\"}" +
         more + "}";
}

TEST(SourceObject, AUidThatCouldLeadElsewhereIsRefused) {
  EXPECT_TRUE(read_object(object_with("0b5c7c3e-2f4b-4d0e-9a59-1c2d3e4f5a6b")));
  for (const char* uid : {"", "/etc", "..", "a/b", "a.b", "a*", ">", "a b"}) {
    const auto read = read_object(object_with(uid));
    ASSERT_FALSE(read) << uid;
    EXPECT_EQ(read.error().reason, "WorkspaceUnreadable");
  }
}

TEST(SourceObject, NestingIsBounded) {
  for (const std::size_t depth : {100U, 400'000U}) {
    const std::string deep = R"(,"tuning":)" + std::string(depth, '[') + std::string(depth, ']');
    const auto read = read_object(object_with("u1", deep));
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().reason, "WorkspaceUnreadable");
  }
}

}  // namespace
}  // namespace tunesmith::watcher
