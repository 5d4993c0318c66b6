// docs/bus.md tells what the code does. TUNESMITH_UPDATE_DOCS=1 writes its generated parts anew.
#include "bus/bus_document.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "runtime/text.h"

namespace tunesmith::bus {
namespace {

// The document with what stands between "<!-- generated: NAME -->" and "<!-- end -->" made anew.
std::string with_generated_parts(std::string text) {
  for (const auto& [name, part] : {std::pair("streams", streams_markdown()),
                                   {"buckets", buckets_markdown()},
                                   {"events", events_markdown()},
                                   {"permissions", permissions_markdown()}}) {
    const std::string begin = std::string("<!-- generated: ") + name + " -->\n";
    const std::size_t from = text.find(begin);
    const std::size_t to = text.find("<!-- end -->", from);
    EXPECT_NE(from, std::string::npos) << begin;
    EXPECT_NE(to, std::string::npos) << name;
    if (from == std::string::npos || to == std::string::npos) continue;
    text.replace(from + begin.size(), to - from - begin.size(), part);
  }
  return text;
}

TEST(BusDocument, TheGeneratedPartsAreThoseOfTheTables) {
  const std::string file = TUNESMITH_TEST_DIR "/../../docs/bus.md";
  const auto document = read_file(file);
  ASSERT_TRUE(document);
  const std::string fresh = with_generated_parts(*document);
  if (std::getenv("TUNESMITH_UPDATE_DOCS") != nullptr) {  // NOLINT(concurrency-mt-unsafe)
    ASSERT_TRUE(write_file(file, fresh));
    return;
  }
  EXPECT_EQ(*document, fresh) << "docs/bus.md is stale; run this test with TUNESMITH_UPDATE_DOCS=1";
}

}  // namespace
}  // namespace tunesmith::bus
