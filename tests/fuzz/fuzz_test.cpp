// The fuzz targets in `make test`: every input of the corpus again, and a short run of libFuzzer
// with a fixed seed where the build has it. `make fuzz` runs on.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "targets.h"
#include "temp_folder.h"

namespace tunesmith::fuzz {
namespace {

namespace fs = std::filesystem;

const fs::path kCorpus = fs::path(TUNESMITH_TEST_DIR) / "corpus";

std::string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

class Fuzz : public testing::TestWithParam<Target> {};

TEST_P(Fuzz, KeepsItsPromisesOnTheCorpus) {
  int inputs = 0;
  for (const auto& entry : fs::directory_iterator(kCorpus / GetParam().name)) {
    SCOPED_TRACE(entry.path().filename());
    const std::string input = read_file(entry.path());
    EXPECT_NO_THROW(GetParam().run(input));
    for (std::size_t size = 0; size < input.size(); size += 1 + input.size() / 50) {  // cut short
      EXPECT_NO_THROW(GetParam().run(input.substr(0, size))) << "cut to " << size << " bytes";
    }
    ++inputs;
  }
  EXPECT_GT(inputs, 0);
}

#ifdef TUNESMITH_FUZZ_BIN
TEST_P(Fuzz, KeepsItsPromisesInAShortRun) {
  // libFuzzer writes what it finds into the first folder it is given.
  const testing_support::TempFolder collected;
  const std::string command =
      "ASAN_OPTIONS=quarantine_size_mb=16 " TUNESMITH_FUZZ_BIN "/fuzz_" +
      std::string(GetParam().name) +
      " -seed=1 -runs=3000 -max_total_time=4 -timeout=20 -verbosity=0 -print_final_stats=1 "
      "-artifact_prefix=" TUNESMITH_FUZZ_BIN "/ '" +
      collected.path().string() + "' '" + (kCorpus / GetParam().name).string() + "' 2>&1";
  FILE* run = ::popen(command.c_str(), "r");
  ASSERT_NE(run, nullptr);
  std::string output;
  std::array<char, 4096> piece{};
  while (const std::size_t size = std::fread(piece.data(), 1, piece.size(), run)) {
    output.append(piece.data(), size);
  }
  const int status = ::pclose(run);
  EXPECT_EQ(status, 0) << output
                       << "\nthe input is the file named above; when the cause is "
                          "repaired, add it to tests/fuzz/corpus";
  EXPECT_NE(output.find("stat::number_of_executed_units"), std::string::npos) << output;
}
#endif

INSTANTIATE_TEST_SUITE_P(, Fuzz, testing::ValuesIn(kTargets),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tunesmith::fuzz
