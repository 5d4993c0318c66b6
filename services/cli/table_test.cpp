#include "cli/table.h"

#include <gtest/gtest.h>

namespace tunesmith::cli {
namespace {

TEST(Table, AlignsColumnsByTheirWidestCell) {
  EXPECT_EQ(to_text({{"NAME", "AGE"}, {{"a-long-name", "3m"}, {"größe", "10m"}}}),
            "NAME          AGE\n"
            "a-long-name   3m\n"
            "größe         10m\n");
}

TEST(Table, EmptyCellsAndLineBreaksKeepTheShape) {
  EXPECT_EQ(to_text({{"A", "B", "C"}, {{"x", "", ""}, {"", "two\nlines", "z"}}}),
            "A   B           C\n"
            "x\n"
            "    two lines   z\n");
}

TEST(Table, HeadersAreOptional) { EXPECT_EQ(to_text({{}, {{"a", "b"}}}), "a   b\n"); }

}  // namespace
}  // namespace tunesmith::cli
