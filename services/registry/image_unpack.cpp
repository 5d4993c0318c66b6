#include "registry/image_unpack.h"

#include <nlohmann/json.hpp>

#include "runtime/process.h"

namespace tunesmith::registry {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kMaxAnswerBytes = 64u << 20;  // 10,000 files with names of 4 KiB

tl::unexpected<Failure> unreadable(const std::string& how) {
  return permanent("ImageNotReadable",
                   "the image's layers could not be unpacked (tunesmith-inspect " + how +
                       "): expected tar archives as docker build makes them");
}

Result<void> empty_folder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (!error) fs::create_directories(folder, error);
  if (!error) fs::permissions(folder, fs::perms::owner_all, error);
  if (error)
    return transient("DiskFull", "cannot make " + folder.string() + ": " + error.message());
  return {};
}

Result<std::vector<UnpackedFile>> read_refusal(const json& failure) {
  const std::string reason = failure.at("reason").get<std::string>();
  const std::string message = failure.at("message").get<std::string>();
  if (failure.at("class") == "Transient") {
    return tl::unexpected(Failure{FailureClass::kTransient, reason, message});
  }
  return tl::unexpected(Failure{FailureClass::kPermanent, reason, message});
}

}  // namespace

Result<std::vector<UnpackedFile>> read_unpacked(std::string_view output, int exit_code,
                                                const fs::path& folder) {
  const json answer = json::parse(output, nullptr, false);
  try {
    if (exit_code == 1 && answer.is_object()) return read_refusal(answer.at("failure"));
    if (exit_code == 0 && answer.is_object()) {
      std::vector<UnpackedFile> files;
      for (const auto& entry : answer.at("image_files")) {
        const auto name = entry.at("file").get<std::string>();
        if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
          return unreadable("named a file outside of its folder");
        }
        files.push_back({entry.at("path").get<std::string>(), folder / name,
                         entry.at("size_bytes").get<std::uint64_t>(), entry.at("cut").get<bool>()});
      }
      return files;
    }
  } catch (const json::exception&) {  // said below
  }
  return unreadable("ended with code " + std::to_string(exit_code));
}

Result<std::vector<UnpackedFile>> unpack_image_data(const UnpackRequest& request,
                                                    std::stop_token stop) {
  if (auto emptied = empty_folder(request.folder); !emptied) return tl::unexpected(emptied.error());
  ProcessOptions options;
  options.argv = {request.program, "--extract", request.folder.string(), "--max-bytes",
                  std::to_string(request.max_bytes)};
  if (request.partial) options.argv.emplace_back("--partial");
  options.argv.emplace_back("--image-layers");
  for (const auto& layer : request.layers) options.argv.push_back(layer.string());
  const auto done = run_process(options, request.limit, std::move(stop), kMaxAnswerBytes);
  if (!done && done.error().reason == "Stopped") return tl::unexpected(done.error());
  if (!done && done.error().reason == "TimedOut") return unreadable("took too long");
  if (!done) {
    return permanent("InspectorMissing",
                     "tunesmith-inspect cannot be run: " + done.error().message +
                         "; set the service's key 'inspect' to its path");
  }
  return read_unpacked(done->output, done->status.code, request.folder);
}

}  // namespace tunesmith::registry
