#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <numeric>

#include "formats/test_folder.h"

namespace tunesmith::engine {
namespace {

using testing::HasSubstr;

template <typename T>
TensorView view(std::string name, DType dtype, std::vector<std::int64_t> shape,
                const std::vector<T>& values) {
  return {std::move(name), dtype, std::move(shape), std::as_bytes(std::span(values))};
}

// A file with this header and that many data bytes.
std::string file_bytes(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(data_bytes, 'x');
}

TEST(Safetensors, WhatIsWrittenIsRead) {
  const TestFolder folder;
  const std::vector<float> weights = {1, 2, 3, 4, 5, 6};
  const std::vector<std::uint8_t> codes = {7, 8, 9};
  const std::vector<float> nothing;
  const std::vector<TensorView> tensors = {view("w", DType::kF32, {2, 3}, weights),
                                           view("codes", DType::kU8, {3}, codes),
                                           view("none", DType::kF32, {0, 4}, nothing)};
  ASSERT_TRUE(write_safetensors(folder / "a.safetensors", tensors, {{"format", "pt"}}));

  const auto file = SafetensorsFile::open(folder / "a.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->tensors().size(), 3U);
  EXPECT_EQ(file->metadata(), (SafetensorsMetadata{{"format", "pt"}}));
  const TensorView* w = file->find("w");
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(w->dtype, DType::kF32);
  EXPECT_EQ(w->shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(w->element_count(), 6);
  EXPECT_EQ(std::memcmp(w->bytes.data(), weights.data(), w->bytes.size()), 0);
  EXPECT_EQ(file->find("absent"), nullptr);
  EXPECT_TRUE(file->find("none")->bytes.empty());
}

TEST(Safetensors, ViewsSurviveAMove) {
  const TestFolder folder;
  const std::vector<float> weights = {1.5F};
  ASSERT_TRUE(write_safetensors(folder / "a", std::vector{view("w", DType::kF32, {1}, weights)}));
  auto opened = SafetensorsFile::open(folder / "a");
  const TensorView before = *opened->find("w");
  const SafetensorsFile moved = std::move(*opened);
  EXPECT_EQ(std::memcmp(before.bytes.data(), weights.data(), 4), 0);
  EXPECT_EQ(moved.find("w")->bytes.data(), before.bytes.data());
}

TEST(Safetensors, BytesDoNotDependOnTheOrderOfTheTensors) {
  const TestFolder folder;
  const std::vector<float> a = {1};
  const std::vector<std::uint8_t> b = {2};
  const std::vector<std::int64_t> c = {3};
  std::vector<TensorView> tensors = {view("b", DType::kU8, {1}, b), view("a", DType::kF32, {1}, a),
                                     view("c", DType::kI64, {}, c)};
  ASSERT_TRUE(write_safetensors(folder / "1", tensors));
  std::swap(tensors[0], tensors[2]);
  ASSERT_TRUE(write_safetensors(folder / "2", tensors));
  EXPECT_EQ(read_all(folder / "1"), read_all(folder / "2"));
  // Widest first, padded with spaces to a multiple of eight: as the Python package writes it.
  EXPECT_THAT(
      read_all(folder / "1"),
      HasSubstr(
          R"({"c":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1],)"
          R"("data_offsets":[8,12]},"b":{"dtype":"U8","shape":[1],"data_offsets":[12,13]}})"));
}

TEST(Safetensors, WritingReplacesTheFileAndLeavesNothingElse) {
  const TestFolder folder;
  folder.write("a", "old");
  ASSERT_TRUE(write_safetensors(folder / "a", {}));
  EXPECT_TRUE(SafetensorsFile::open(folder / "a"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Safetensors, WritingWhereItCannotIsATransientFailure) {
  const TestFolder folder;
  const auto written = write_safetensors(folder / "absent/a", {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().failure_class, FailureClass::kTransient);
  EXPECT_EQ(written.error().reason, "DiskFull");
}

TEST(Safetensors, WritingATensorThatContradictsItselfIsABug) {
  const TestFolder folder;
  const std::vector<float> two = {1, 2};
  EXPECT_THROW((void)write_safetensors(folder / "a", std::vector{view("w", DType::kF32, {3}, two)}),
               std::invalid_argument);
  EXPECT_THROW((void)write_safetensors(folder / "a", std::vector{view("w", DType::kF32, {2}, two),
                                                                 view("w", DType::kF32, {2}, two)}),
               std::invalid_argument);
}

TEST(Safetensors, AMissingFileIsSaidToBeMissing) {
  const auto file = SafetensorsFile::open("/nonexistent/a.safetensors");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().reason, "ModelFileMissing");
}

struct Hostile {
  const char* name;
  std::string bytes;
  const char* complaint;
};

class HostileFile : public testing::TestWithParam<Hostile> {};

TEST_P(HostileFile, IsRefusedWithASentence) {
  const TestFolder folder;
  const auto file = SafetensorsFile::open(folder.write("a", GetParam().bytes));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().reason, "ModelFileInvalid");
  EXPECT_EQ(file.error().failure_class, FailureClass::kPermanent);
  EXPECT_THAT(file.error().message, HasSubstr(GetParam().complaint));
}

std::string tensor(const char* dtype, const char* shape, const char* offsets) {
  return std::string(R"({"dtype":")") + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
         offsets + "}";
}

std::vector<Hostile> hostile_files() {
  const std::string four = tensor("F32", "[1]", "[0,4]");
  std::string huge_length = file_bytes("{}", 0);
  huge_length[6] = '\x7f';
  std::string deep = R"({"a":{"dtype":)";
  for (int i = 0; i < 10000; ++i) deep += "[";
  return {
      {"Empty", "", "empty"},
      {"SevenBytes", "1234567", "shorter than 8"},
      {"HeaderLargerThanTheFile", huge_length, "claims"},
      {"CutHeader", file_bytes(R"({"a":{"dtype":"F3)", 0), "not JSON"},
      {"NotAnObject", file_bytes("[]", 0), "does not start with"},
      {"Deep", file_bytes(deep, 0), "nested too deeply"},
      {"CutData", file_bytes(R"({"a":)" + four + "}", 3), "lies at bytes 0 to 4 of 3"},
      {"SurplusData", file_bytes(R"({"a":)" + four + "}", 5), "after the last tensor"},
      {"Overlap",
       file_bytes(R"({"a":)" + four + R"(,"b":)" + tensor("F32", "[1]", "[2,6]") + "}", 6),
       "gap or an overlap"},
      {"SameBytes", file_bytes(R"({"a":)" + four + R"(,"b":)" + four + "}", 4),
       "gap or an overlap"},
      {"Gap", file_bytes(R"({"a":)" + four + R"(,"b":)" + tensor("U8", "[1]", "[5,6]") + "}", 6),
       "gap or an overlap"},
      {"Twice", file_bytes(R"({"a":)" + four + R"(,"a":)" + four + "}", 4), "'a' occurs twice"},
      {"BackwardOffsets", file_bytes(R"({"a":)" + tensor("F32", "[1]", "[4,0]") + "}", 4),
       "lies at bytes 4 to 0"},
      {"NegativeOffset", file_bytes(R"({"a":)" + tensor("F32", "[1]", "[-4,0]") + "}", 4),
       "malformed"},
      {"OffsetBeyondInt64",
       file_bytes(R"({"a":)" + tensor("F32", "[1]", "[0,18446744073709551615]") + "}", 4),
       "malformed"},
      {"ShapeOverflow",
       file_bytes(R"({"a":)" + tensor("F32", "[4611686018427387904,4]", "[0,0]") + "}", 0),
       "which its shape"},
      {"ShapeMismatch", file_bytes(R"({"a":)" + tensor("F32", "[2]", "[0,4]") + "}", 4),
       "which its shape"},
      {"FractionalShape", file_bytes(R"({"a":)" + tensor("F32", "[1.0]", "[0,4]") + "}", 4),
       "malformed"},
      {"UnknownDtype", file_bytes(R"({"a":)" + tensor("F8_E4M3", "[4]", "[0,4]") + "}", 4),
       "unknown dtype \"F8_E4M3\""},
      {"MissingField", file_bytes(R"({"a":{"dtype":"F32","shape":[1]}})", 4), "exactly dtype"},
      {"SurplusField",
       file_bytes(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4),
       "exactly dtype"},
      {"MetadataNotText", file_bytes(R"({"__metadata__":{"a":1}})", 0), "not a string"},
      {"InvalidUtf8", file_bytes("{\"\xff\":1}", 0), "not JSON"},
  };
}

INSTANTIATE_TEST_SUITE_P(Safetensors, HostileFile, testing::ValuesIn(hostile_files()),
                         [](const auto& info) { return std::string(info.param.name); });

// Memory is bounded before the header is understood.
TEST(Safetensors, AHeaderOfMillionsOfValuesIsRefusedWhileItIsRead) {
  const TestFolder folder;
  std::string header = R"({"a":[0)";
  for (int i = 0; i < 2'000'000; ++i) header += ",0";
  header += "]}";
  const auto file = SafetensorsFile::open(folder.write("a", file_bytes(header, 0)));
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, testing::HasSubstr("too many values"));
}

// Any single damaged header byte gives a file or a failure, never anything else.
TEST(Safetensors, EveryDamagedHeaderByteIsSurvived) {
  const TestFolder folder;
  const std::vector<float> values = {1, 2};
  ASSERT_TRUE(write_safetensors(folder / "a", std::vector{view("w", DType::kF32, {2}, values)},
                                {{"format", "pt"}}));
  const std::string good = read_all(folder / "a");
  int refused = 0;
  for (std::size_t at = 0; at + 8 < good.size(); ++at) {
    for (const char damage : {'\0', '9', '"', '\xff'}) {
      std::string bad = good;
      bad[at] = damage;
      const auto file = SafetensorsFile::open(folder.write("b", bad));
      if (!file) ++refused;
      if (file) {
        for (const auto& tensor : file->tensors()) EXPECT_LE(tensor.bytes.size(), 8U);
      }
    }
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace tunesmith::engine
