// tunesmith-inspect as a child process: what a piece of a data file tells about rows and columns.
// Hostile files crash the child, not us.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>

#include "runtime/result.h"

namespace tunesmith::planner {

struct Inspection {
  std::uint64_t rows = 0;
  std::string layout;  // "messages", "prompt-completion", "text" or "instruction"
  std::uint64_t estimated_tokens = 0;
};

// What to fetch before asking again.
struct PieceNeeded {
  enum class Kind { kFooter, kHead } kind = Kind::kFooter;
  std::uint64_t bytes = 0;  // 0 = the asker's choice
};

struct InspectionAnswer {
  Inspection inspection;  // valid when nothing is needed
  bool more_needed = false;
  PieceNeeded needed;
};

// Reads the program's standard output. Pure. The program's own refusals (NoUsableColumn …) are
// returned as they are; what is no answer is `DataNotReadable`.
Result<InspectionAnswer> read_inspection(std::string_view output, int exit_code,
                                         const std::string& name);

// Thread-safe. Besides what the program says: Permanent `InspectorMissing`; Transient `DiskFull`,
// `TimedOut`, `Stopped`.
class Inspector {
 public:
  // `program`: path or name of tunesmith-inspect; pieces are written under `work_dir`.
  Inspector(std::string program, std::filesystem::path work_dir)
      : program_(std::move(program)), work_dir_(std::move(work_dir)) {}

  // From the first bytes of a file of `size_bytes` bytes.
  Result<InspectionAnswer> head(const std::string& piece, std::uint64_t size_bytes,
                                const std::string& name, std::stop_token stop) const;
  // From the last bytes of a parquet file.
  Result<InspectionAnswer> footer(const std::string& piece, const std::string& name,
                                  std::stop_token stop) const;
  // Whole files of this machine, counted; all must have one layout.
  Result<Inspection> files(const std::vector<std::filesystem::path>& files,
                           std::chrono::milliseconds limit, std::stop_token stop) const;

 private:
  Result<InspectionAnswer> ask(const std::string& piece, std::vector<std::string> arguments,
                               const std::string& name, std::stop_token stop) const;
  Result<InspectionAnswer> run(std::vector<std::string> arguments, std::chrono::milliseconds limit,
                               const std::string& name, std::stop_token stop) const;

  std::string program_;
  std::filesystem::path work_dir_;
};

}  // namespace tunesmith::planner
