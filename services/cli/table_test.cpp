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

TEST(Table, ALaterRowStandsBelowTheFirstOnes) {
  const Table table{{"NAME", "AGE", "X"}, {{"long-name", "3m", "x"}}};
  EXPECT_EQ(row_below(table, {"a", "10m", "y"}), "a           10m   y\n");
  EXPECT_EQ(row_below(table, {"a-much-longer-name", "1", "y"}), "a-much-longer-name   1     y\n");
}

TEST(Table, HeadersAreOptional) { EXPECT_EQ(to_text({{}, {{"a", "b"}}}), "a   b\n"); }

}  // namespace
}  // namespace tunesmith::cli
