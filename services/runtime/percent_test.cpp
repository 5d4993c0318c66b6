#include "runtime/percent.h"

#include <gtest/gtest.h>

namespace tunesmith {
namespace {

TEST(Percent, DecodesWhatIsEncoded) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const std::string encoded = percent_encode(all, is_unreserved);
  EXPECT_EQ(percent_decode(encoded), all);
  EXPECT_EQ(percent_decode_strictly(encoded), all);
  EXPECT_EQ(percent_encode("az-._~/ \xc3\xa4", is_unreserved), "az-._~%2F%20%C3%A4");
}

TEST(Percent, AnEscapeThatIsNoneStaysOrIsRefused) {
  for (const char* none : {"%", "100%", "%4", "a%zzb", "%4g", "%+1", "%-1", "%%41"}) {
    EXPECT_EQ(percent_decode_strictly(none), std::nullopt) << none;
  }
  EXPECT_EQ(percent_decode("%zz%4"), "%zz%4");
  EXPECT_EQ(percent_decode("%%41"), "%A");
  EXPECT_EQ(percent_decode_strictly("%c3%A4"), "\xc3\xa4");
}

}  // namespace
}  // namespace tunesmith
