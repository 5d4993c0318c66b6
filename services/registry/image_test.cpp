#include "registry/image.h"

#include <gmock/gmock.h>

namespace tunesmith::registry {
namespace {

TEST(AnnotationsIn, AreEmptyForWhatIsNoManifest) {
  for (const char* text : {"", "[]", "{}", R"({"annotations":7})", "no json"}) {
    EXPECT_TRUE(annotations_in(text).empty()) << text;
    EXPECT_EQ(image_size_bytes(text), 0u) << text;
  }
}

}  // namespace
}  // namespace tunesmith::registry
