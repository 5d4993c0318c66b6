#include "planner/inspection.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "runtime/process.h"

namespace tunesmith::planner {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kLimit{20};

// A file of its own under work_dir, removed with the object.
class PieceFile {
 public:
  PieceFile(const std::filesystem::path& folder, const std::string& bytes) {
    std::error_code ignored;
    std::filesystem::create_directories(folder, ignored);
    path_ = (folder / "piece-XXXXXX").string();
    const int descriptor = ::mkstemp(path_.data());  // mode 0600
    if (descriptor < 0) {
      path_.clear();
      return;
    }
    ::close(descriptor);
    std::ofstream stream(path_, std::ios::binary);
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    whole_ = static_cast<bool>(stream.flush());
  }
  ~PieceFile() {
    if (!path_.empty()) {
      ::unlink(path_.c_str());
    }
  }
  PieceFile(const PieceFile&) = delete;
  PieceFile& operator=(const PieceFile&) = delete;
  const std::string& path() const { return path_; }
  bool whole() const { return whole_; }

 private:
  std::string path_;
  bool whole_ = false;
};

Result<InspectionAnswer> read_refusal(const json& failure, const std::string& name) {
  const std::string reason = failure.value("reason", "DataNotReadable");
  if (reason == "FooterNeeded" || reason == "FooterTooShort") {
    return InspectionAnswer{
        {}, true, {PieceNeeded::Kind::kFooter, failure.value("needed_bytes", std::uint64_t{0})}};
  }
  if (reason == "HeadTooShort") {
    return InspectionAnswer{{}, true, {PieceNeeded::Kind::kHead, 0}};
  }
  return permanent(reason, failure.value("message", name + " cannot be read"));
}

// Fails when every row of a file that was read whole has a problem.
Result<void> check_learnable(const json& file, const std::string& name) {
  const auto rows = file.value("rows", std::uint64_t{0});
  std::uint64_t bad = 0;
  std::uint64_t most = 0;
  std::string commonest;
  for (const auto& problem : file.value("problems", json::array())) {
    const auto count = problem.at("rows").get<std::uint64_t>();
    bad += count;
    if (count > most) {
      most = count;
      commonest = problem.at("what").get<std::string>();
    }
  }
  if (file.value("rows_are_exact", false) && rows > 0 && bad >= rows) {
    return permanent("NoTrainableTokens",
                     "none of the " + std::to_string(rows) + " rows of " + name +
                         " has anything to learn from; most often: " + commonest);
  }
  return {};
}

}  // namespace

Result<InspectionAnswer> read_inspection(std::string_view output, int exit_code,
                                         const std::string& name) {
  const json answer = json::parse(output, nullptr, false);
  try {
    if (exit_code == 1 && answer.is_object() && answer.contains("failure")) {
      return read_refusal(answer.at("failure"), name);
    }
    if (exit_code == 0 && answer.is_object()) {
      InspectionAnswer result;
      result.inspection.rows = answer.at("rows").get<std::uint64_t>();
      result.inspection.layout = answer.at("layout").get<std::string>();
      for (const auto& file : answer.at("files")) {
        if (auto learnable = check_learnable(file, name); !learnable) {
          return tl::unexpected(learnable.error());
        }
        result.inspection.estimated_tokens += file.value("estimated_tokens", std::uint64_t{0});
      }
      return result;
    }
  } catch (const json::exception&) {  // said below
  }
  return permanent("DataNotReadable", "the data file " + name +
                                          " could not be looked into (tunesmith-inspect ended "
                                          "with code " +
                                          std::to_string(exit_code) +
                                          "): check that it is a whole parquet, "
                                          "jsonl, json or csv file");
}

Result<InspectionAnswer> Inspector::ask(const std::string& piece,
                                        std::vector<std::string> arguments, const std::string& name,
                                        std::stop_token stop) const {
  const PieceFile file(work_dir_, piece);
  if (!file.whole()) {
    return transient("DiskFull", "a piece of data cannot be written into " + work_dir_.string());
  }
  std::vector<std::string> argv = {arguments.front(), file.path(), "--name", name};
  argv.insert(argv.end(), arguments.begin() + 1, arguments.end());
  return run(std::move(argv), kLimit, name, std::move(stop));
}

Result<InspectionAnswer> Inspector::run(std::vector<std::string> arguments,
                                        std::chrono::milliseconds limit, const std::string& name,
                                        std::stop_token stop) const {
  ProcessOptions options;
  options.argv = std::move(arguments);
  options.argv.insert(options.argv.begin(), program_);
  options.bare_environment = true;
  const auto done = run_process(options, limit, stop);
  // A time-out may be the fault of a machine that is too busy: it says nothing against the file.
  if (!done && done.error().failure_class == FailureClass::kTransient) {
    return transient(done.error().reason, name + ": " + done.error().message);
  }
  if (!done) {
    return permanent("InspectorMissing",
                     "tunesmith-inspect cannot be run: " + done.error().message +
                         "; set the planner's key 'inspect' to its path");
  }
  return read_inspection(done->output, done->status.code, name);
}

Result<Inspection> Inspector::files(const std::vector<std::filesystem::path>& files,
                                    std::chrono::milliseconds limit, std::stop_token stop) const {
  std::vector<std::string> arguments = {"--data"};
  for (const auto& file : files) {
    arguments.push_back(file.string());
  }
  const auto answer =
      run(std::move(arguments), limit,
          files.empty() ? std::string() : files.front().filename().string(), std::move(stop));
  if (!answer) {
    return tl::unexpected(answer.error());
  }
  return answer->inspection;
}

Result<InspectionAnswer> Inspector::head(const std::string& piece, std::uint64_t size_bytes,
                                         const std::string& name, std::stop_token stop) const {
  return ask(piece, {"--head", "--size", std::to_string(size_bytes)}, name, std::move(stop));
}

Result<InspectionAnswer> Inspector::footer(const std::string& piece, const std::string& name,
                                           std::stop_token stop) const {
  return ask(piece, {"--footer"}, name, std::move(stop));
}

}  // namespace tunesmith::planner
