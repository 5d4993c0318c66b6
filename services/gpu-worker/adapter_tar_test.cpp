#include "adapter_tar.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "temp_folder.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;

class AdapterTar : public testing::Test {
 protected:
  void SetUp() override { fs::create_directory(folder / "adapter"); }

  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder / name, std::ios::binary) << content;
  }
  std::string read(const std::string& name) const {
    std::ifstream in(folder / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  testing_support::TempFolder temporary;
  const fs::path folder = temporary.path();
};

TEST_F(AdapterTar, IsReadByTarAndHoldsBothFiles) {
  const std::string weights(1300, 'w');
  write("adapter/adapter_config.json", "{}");
  write("adapter/adapter_model.safetensors", weights);
  ASSERT_TRUE(write_adapter_tar(folder / "adapter", folder / "a.tar").has_value());
  EXPECT_EQ(fs::file_size(folder / "a.tar") % 512, 0u);

  fs::create_directory(folder / "out");
  const std::string command =
      "tar -C " + (folder / "out").string() + " -xf " + (folder / "a.tar").string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(read("out/adapter_config.json"), "{}");
  EXPECT_EQ(read("out/adapter_model.safetensors"), weights);
}

TEST_F(AdapterTar, HasTheSameBytesForTheSameFilesAtAnyTime) {
  write("adapter/adapter_config.json", "{}");
  write("adapter/adapter_model.safetensors", "abc");
  ASSERT_TRUE(write_adapter_tar(folder / "adapter", folder / "1.tar").has_value());
  fs::last_write_time(folder / "adapter/adapter_config.json",
                      fs::file_time_type::clock::now() - std::chrono::hours(48));
  ASSERT_TRUE(write_adapter_tar(folder / "adapter", folder / "2.tar").has_value());
  EXPECT_EQ(read("1.tar"), read("2.tar"));
}

TEST_F(AdapterTar, NamesTheFileThatIsMissing) {
  write("adapter/adapter_config.json", "{}");
  auto result = write_adapter_tar(folder / "adapter", folder / "a.tar");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().reason, "AdapterMissing");
  EXPECT_NE(result.error().message.find("adapter_model.safetensors"), std::string::npos);
}

}  // namespace
}  // namespace tunesmith::gpu_worker
