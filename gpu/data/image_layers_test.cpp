// What a container would see in /data, and what an archive must not do to us.
#include "data/image_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "data/testing/layer_maker.h"
#include "formats/test_folder.h"

namespace tunesmith::engine {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ImageLayersTest : public testing::Test {
 protected:
  void add_layer(const std::string& bytes) {
    layers_.push_back(folder_.write("layer-" + std::to_string(layers_.size()), bytes));
  }
  Result<ImageData> extract(bool partial = false) {
    fs::remove_all(out_);
    fs::create_directories(out_);
    return extract_image_data(layers_, out_, limits_, partial);
  }
  // "path=content" of every data file.
  std::vector<std::string> seen(bool partial = false) {
    const auto data = extract(partial);
    std::vector<std::string> list;
    if (!data) return {data.error().reason + ": " + data.error().message};
    for (const auto& file : data->files) {
      EXPECT_EQ(fs::file_size(file.file), file.size_bytes);
      EXPECT_EQ(file.file.parent_path(), out_);
      list.push_back(file.path + "=" + read_all(file.file) + (file.cut ? "|cut" : ""));
    }
    // Nothing else was left in the folder.
    const auto written = std::distance(fs::directory_iterator(out_), fs::directory_iterator());
    EXPECT_EQ(written, static_cast<std::ptrdiff_t>(list.size()));
    return list;
  }
  Failure refusal() {
    const auto data = extract();
    EXPECT_FALSE(data);
    return data ? Failure{} : data.error();
  }

  TestFolder folder_;
  fs::path out_ = folder_.path() / "out";
  std::vector<fs::path> layers_;
  ImageLimits limits_;
};

std::string tar(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string bytes;
  for (const auto& [name, content] : files) {
    bytes += tar_entry(name, content, name.ends_with('/') ? '5' : '0');
  }
  return bytes + tar_end();
}

TEST_F(ImageLayersTest, ReadsPlainGzipAndZstdAlike) {
  const std::string layer = tar({{"bin/sh", "x"},
                                 {"data/", ""},
                                 {"data/b.jsonl", std::string(100'000, 'b')},
                                 {"data/a.csv", "a"},
                                 {"data/sub/c.parquet", "c"},
                                 {"database/no.csv", "n"}});
  const auto expected = ElementsAre("data/a.csv=a", "data/b.jsonl=" + std::string(100'000, 'b'),
                                    "data/sub/c.parquet=c");
  for (const auto& bytes :
       {layer, gzip(layer), zstd(layer), gzip(layer.substr(0, 1000)) + gzip(layer.substr(1000)),
        zstd(layer.substr(0, 1000)) + zstd(layer.substr(1000))}) {
    layers_.clear();
    add_layer(bytes);
    EXPECT_THAT(seen(), expected);
  }
}

TEST_F(ImageLayersTest, NamesAreTakenAsAContainerTakesThem) {
  add_layer(tar({{"./data/./a.csv", "1"}, {"/data//b.csv", "2"}, {"data/A.CSV", "3"}}));
  EXPECT_THAT(seen(), ElementsAre("data/A.CSV=3", "data/a.csv=1", "data/b.csv=2"));
}

TEST_F(ImageLayersTest, UpperLayersReplace) {
  add_layer(tar({{"data/a.csv", "old"}, {"data/b.csv", "b"}}));
  add_layer(tar({{"data/a.csv", "new"}, {"data/a.csv", "newest"}}));
  EXPECT_THAT(seen(), ElementsAre("data/a.csv=newest", "data/b.csv=b"));
}

TEST_F(ImageLayersTest, WhiteoutsRemoveWhatIsBelow) {
  add_layer(tar({{"data/a.csv", "a"}, {"data/b.csv", "b"}, {"data/d/c.csv", "c"}}));
  add_layer(tar({{"data/.wh.a.csv", ""}, {"data/.wh.d", ""}, {"data/e.csv", "e"}}));
  EXPECT_THAT(seen(), ElementsAre("data/b.csv=b", "data/e.csv=e"));
}

TEST_F(ImageLayersTest, WhiteoutsDoNotTouchTheirOwnLayer) {
  add_layer(tar({{"data/a.csv", "old"}, {"data/d/x.csv", "x"}}));
  add_layer(tar({{"data/a.csv", "new"},
                 {"data/.wh.a.csv", ""},
                 {"data/d/y.csv", "y"},
                 {"data/d/.wh..wh..opq", ""}}));
  EXPECT_THAT(seen(), ElementsAre("data/a.csv=new", "data/d/y.csv=y"));
}

TEST_F(ImageLayersTest, OpaqueAndRemovedFoldersAreEmptied) {
  for (const std::string& mark :
       {std::string(".wh.data"), std::string(".wh..wh..opq"), std::string("data/.wh..wh..opq")}) {
    layers_.clear();
    add_layer(tar({{"data/a.csv", "a"}}));
    add_layer(tar({{mark, ""}, {"data/b.csv", "b"}}));
    EXPECT_THAT(seen(), ElementsAre("data/b.csv=b")) << mark;
  }
}

TEST_F(ImageLayersTest, AFileInPlaceOfAFolderHidesIt) {
  add_layer(tar({{"data/x.csv/a.csv", "a"}}));
  add_layer(tar({{"data/x.csv", "x"}}));
  EXPECT_THAT(seen(), ElementsAre("data/x.csv=x"));
  add_layer(tar({{"data/x.csv/", ""}, {"data/x.csv/b.csv", "b"}}));
  EXPECT_THAT(seen(), ElementsAre("data/x.csv/b.csv=b"));
}

TEST_F(ImageLayersTest, LongNamesOfBothKinds) {
  const std::string long_name = "data/" + std::string(150, 'n') + ".csv";
  add_layer(tar_entry("x", pax_record("mtime", "1.5") + pax_record("path", long_name), 'x') +
            tar_entry("short", "pax") +
            tar_entry("././@LongLink", long_name + "2.csv" + std::string(1, '\0'), 'L') +
            tar_entry("short", "gnu") + tar_end());
  EXPECT_THAT(seen(), ElementsAre(long_name + "=pax", long_name + "2.csv=gnu"));
}

TEST_F(ImageLayersTest, SizesOfExtensionsCount) {
  std::string binary("\x80\0\0\0\0\0\0\0\0\0\0\x03", 12);
  add_layer(tar_entry("x", pax_record("size", "2"), 'x') +
            tar_entry("data/a.csv", "aa", '0', "00000000000") +
            tar_entry("data/b.csv", "bbb", '0', binary) + tar_end());
  EXPECT_THAT(seen(), ElementsAre("data/a.csv=aa", "data/b.csv=bbb"));
}

TEST_F(ImageLayersTest, FilesWithoutEndingCountWhenThereAreNoOthers) {
  add_layer(tar({{"data/train", "t"}, {"data/README.md", "r"}, {"data/.git/x.csv", "h"}}));
  EXPECT_THAT(seen(), ElementsAre("data/train=t"));
  add_layer(tar({{"data/a.csv", "a"}}));
  EXPECT_THAT(seen(), ElementsAre("data/a.csv=a"));
}

TEST_F(ImageLayersTest, NothingThereIsSaid) {
  add_layer(tar({{"bin/sh", "x"}}));
  EXPECT_EQ(refusal().reason, "ImageHasNoData");
  add_layer(tar({{"data/", ""}}));
  EXPECT_EQ(refusal().reason, "ImageHasNoData");
  add_layer(tar({{"data/README.md", "r"}}));
  EXPECT_EQ(refusal().reason, "ImageHasNoDataFile");
  EXPECT_THAT(refusal().message, HasSubstr("found data/README.md"));
}

TEST_F(ImageLayersTest, NamesThatLeadOutAreRefused) {
  for (const char* name : {"data/../../etc/passwd", "../data/a.csv", "data/..", "bin/../x"}) {
    layers_.clear();
    add_layer(tar({{name, "x"}}));
    EXPECT_EQ(refusal().reason, "ImageNotReadable") << name;
    EXPECT_THAT(refusal().message, HasSubstr("leads out of the image"));
    EXPECT_FALSE(fs::exists(folder_.path() / "etc"));
  }
}

TEST_F(ImageLayersTest, LinksAreNeverFollowed) {
  folder_.write("secret.csv", "secret");
  for (const char type : {'1', '2'}) {
    layers_.clear();
    add_layer(tar_entry("data/a.csv", "", type) + tar_end());
    EXPECT_EQ(refusal().reason, "ImageNotReadable");
    EXPECT_THAT(refusal().message, HasSubstr("data/a.csv is a link"));
    layers_.clear();
    add_layer(tar({{"data/a.csv", "a"}, {"data/d/b.csv", "b"}}));
    add_layer(tar_entry("data/d", "", type) + tar_end());  // in place of the folder
    EXPECT_THAT(seen(), ElementsAre("data/a.csv=a"));
    add_layer(tar_entry("data", "", type) + tar_end());
    EXPECT_EQ(refusal().reason, "ImageHasNoDataFile");
  }
}

TEST_F(ImageLayersTest, ArchivesThatUnpackToTooMuchAreRefused) {
  limits_.max_bytes = 1U << 20;
  const std::string zeros(8U << 20, '\0');
  for (const auto& name : {"data/a.csv", "bin/skipped"}) {
    layers_.clear();
    add_layer(gzip(tar({{name, zeros}})));
    ASSERT_LT(fs::file_size(layers_[0]), 20'000U);
    EXPECT_EQ(refusal().reason, "ImageTooLarge") << name;
  }
  std::uintmax_t written = 0;
  for (const auto& entry : fs::directory_iterator(out_)) written += entry.file_size();
  EXPECT_LE(written, limits_.max_bytes + (64U << 10));
  layers_.clear();  // all layers together count
  for (int i = 0; i < 3; ++i) add_layer(tar({{"data/a.csv", std::string(500'000, 'a')}}));
  EXPECT_EQ(refusal().reason, "ImageTooLarge");
}

TEST_F(ImageLayersTest, EntriesAndFilesAreCounted) {
  limits_.max_files = 2;
  add_layer(tar({{"data/a.csv", ""}, {"data/b.csv", ""}, {"data/c.csv", ""}}));
  EXPECT_EQ(refusal().reason, "ImageTooLarge");
  limits_.max_files = 3;
  limits_.max_entries = 2;
  EXPECT_EQ(refusal().reason, "ImageTooLarge");
}

TEST_F(ImageLayersTest, SizesAreNotBelieved) {
  add_layer(tar_entry("data/a.csv", "short", '0', "77777777777") + tar_end());
  EXPECT_EQ(refusal().reason, "ImageNotReadable");
  layers_.clear();
  add_layer(tar_entry("x", pax_record("size", "18446744073709551615"), 'x') +
            tar_entry("data/a.csv", "a") + tar_end());
  EXPECT_EQ(refusal().reason, "ImageNotReadable");
  layers_.clear();
  add_layer(tar_entry("././@LongLink", "x", 'L', "77777777777") + tar_end());
  EXPECT_EQ(refusal().reason, "ImageNotReadable");
}

TEST_F(ImageLayersTest, SparseFilesAreRefused) {
  add_layer(tar_entry("data/a.csv", "a", 'S') + tar_end());
  EXPECT_EQ(refusal().reason, "ImageNotReadable");
  layers_.clear();
  add_layer(tar_entry("x", pax_record("GNU.sparse.major", "1"), 'x') +
            tar_entry("data/a.csv", "a") + tar_end());
  EXPECT_EQ(refusal().reason, "ImageNotReadable");
}

TEST_F(ImageLayersTest, CutLayersAreRefusedUnlessTheyAreBeginnings) {
  const std::string layer = tar({{"data/a.csv", "a"}, {"data/b.csv", std::string(5000, 'b')}});
  const std::string packed = gzip(layer);
  for (const auto& bytes : {layer.substr(0, 3000), packed.substr(0, packed.size() / 2)}) {
    layers_.clear();
    add_layer(bytes);
    EXPECT_EQ(refusal().reason, "ImageNotReadable");
  }
  layers_.clear();
  add_layer(layer.substr(0, 3000));
  const auto begun = seen(true);
  ASSERT_EQ(begun.size(), 2U);
  EXPECT_EQ(begun[0], "data/a.csv=a");
  EXPECT_THAT(begun[1], testing::EndsWith("b|cut"));
  layers_.clear();
  add_layer(layer.substr(0, 100));
  EXPECT_THAT(seen(true), IsEmpty());
}

// Any damage is told or harmless; never a crash, a write elsewhere or more than the limit.
TEST_F(ImageLayersTest, DamagedBytesDoNoHarm) {
  std::mt19937 random(7);
  limits_.max_bytes = 1U << 20;
  const std::string layer =
      tar_entry("x", pax_record("path", "data/long.csv"), 'x') + tar({{"short", "pax"}}) +
      tar({{"data/a.csv", std::string(2000, 'a')}, {"data/.wh.b.csv", ""}, {"data/sub/", ""}});
  for (const auto& bytes : {layer, gzip(layer), zstd(layer)}) {
    for (int round = 0; round < 60; ++round) {
      std::string damaged = bytes;
      for (int flips = 0; flips < 1 + round % 4; ++flips) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      layers_.clear();
      add_layer(damaged);
      const auto data = extract();
      if (!data) {
        EXPECT_THAT(data.error().reason, testing::StartsWith("Image"));
      }
      for (const auto& entry : fs::directory_iterator(out_)) {
        EXPECT_LE(entry.file_size(), limits_.max_bytes);
      }
    }
  }
}

}  // namespace
}  // namespace tunesmith::engine
