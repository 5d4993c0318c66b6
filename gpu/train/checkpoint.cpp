#include "train/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <span>

#include "formats/convert.h"
#include "formats/safetensors.h"

namespace tunesmith::engine {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "checkpoint-";
constexpr std::string_view kSuffix = ".safetensors";
constexpr std::string_view kVersion = "1";

// Exact, unlike decimal digits.
std::string hex(double value) { return fmt::format("{:a}", value); }

std::optional<std::uint64_t> step_of(const fs::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  const char* begin = name.data() + kPrefix.size();
  const char* end = name.data() + name.size() - kSuffix.size();
  std::uint64_t step = 0;
  const auto [rest, error] = std::from_chars(begin, end, step);
  return error == std::errc{} && rest == end ? std::optional(step) : std::nullopt;
}

// Removing an old checkpoint may fail: it then costs space, not correctness.
void remove_old(const fs::path& dir) {
  std::map<std::uint64_t, fs::path, std::greater<>> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(dir, ignored)) {
    if (const auto step = step_of(entry.path())) found[*step] = entry.path();
  }
  std::size_t kept = 0;
  for (const auto& [step, path] : found) {
    if (++kept > kKeptCheckpoints) fs::remove(path, ignored);
  }
}

SafetensorsMetadata metadata_of(const TrainState& state) {
  SafetensorsMetadata out{{"format", "tunesmith-checkpoint"},
                          {"version", std::string(kVersion)},
                          {"step", std::to_string(state.step)},
                          {"tokens", std::to_string(state.tokens)},
                          {"loss_sum", hex(state.loss_sum)},
                          {"window_loss_sum", hex(state.window_loss_sum)},
                          {"window_steps", std::to_string(state.window_steps)},
                          {"window_tokens", std::to_string(state.window_tokens)},
                          {"high_loss_steps", std::to_string(state.high_loss_steps)},
                          {"compute", state.compute},
                          {"fingerprint", state.fingerprint}};
  if (state.eval_loss_before) out["eval_loss_before"] = hex(*state.eval_loss_before);
  return out;
}

// Reads metadata values; the first that is missing or malformed is remembered.
class MetadataReader {
 public:
  explicit MetadataReader(const SafetensorsMetadata& metadata) : metadata_(metadata) {}

  void text(const std::string& key, std::string& out) {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) {
      bad_ = key;
    } else {
      out = found->second;
    }
  }
  void integer(const std::string& key, std::uint64_t& out) {
    std::string value;
    text(key, value);
    const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), out);
    if (error != std::errc{} || rest != value.data() + value.size()) bad_ = key;
  }
  void number(const std::string& key, double& out) {
    std::string value;
    text(key, value);
    char* rest = nullptr;
    out = std::strtod(value.c_str(), &rest);
    if (value.empty() || *rest != '\0') bad_ = key;
  }
  const std::string& bad() const { return bad_; }

 private:
  const SafetensorsMetadata& metadata_;
  std::string bad_;
};

tl::unexpected<Failure> invalid(const fs::path& path, std::string_view what) {
  return permanent("CheckpointInvalid",
                   fmt::format("{} is no usable checkpoint: {}", path.string(), what));
}

}  // namespace

Result<CheckpointFile> write_checkpoint(const fs::path& dir, const TrainState& state) {
  const auto begin = std::chrono::steady_clock::now();
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) {
    return transient("DiskFull", fmt::format("cannot make {}: {}", dir.string(), error.message()));
  }
  const auto view = [](std::string name, const std::vector<float>& values) {
    return TensorView{std::move(name),
                      DType::kF32,
                      {static_cast<std::int64_t>(values.size())},
                      std::as_bytes(std::span(values))};
  };
  const std::vector<TensorView> tensors{view("parameters", state.parameters),
                                        view("first_moment", state.first_moment),
                                        view("second_moment", state.second_moment)};
  CheckpointFile file{state.step, dir / fmt::format("{}{}{}", kPrefix, state.step, kSuffix), 0, 0};
  if (auto written = write_safetensors(file.path, tensors, metadata_of(state)); !written) {
    return tl::unexpected(written.error());
  }
  remove_old(dir);
  file.size_bytes = fs::file_size(file.path, error);
  file.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return file;
}

Result<TrainState> read_checkpoint(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    return permanent("CheckpointMissing", fmt::format("{} does not exist", path.string()));
  }
  auto file = SafetensorsFile::open(path);
  if (!file) return invalid(path, file.error().message);
  TrainState state;
  MetadataReader in(file->metadata());
  std::string version;
  in.text("version", version);
  if (version != kVersion) return invalid(path, "it was written by another version");
  in.integer("step", state.step);
  in.integer("tokens", state.tokens);
  in.number("loss_sum", state.loss_sum);
  in.number("window_loss_sum", state.window_loss_sum);
  in.integer("window_steps", state.window_steps);
  in.integer("window_tokens", state.window_tokens);
  in.integer("high_loss_steps", state.high_loss_steps);
  in.text("compute", state.compute);
  in.text("fingerprint", state.fingerprint);
  if (file->metadata().contains("eval_loss_before")) {
    in.number("eval_loss_before", state.eval_loss_before.emplace());
  }
  if (!in.bad().empty()) return invalid(path, fmt::format("bad {}", in.bad()));
  for (const auto& [name, values] :
       {std::pair{"parameters", &state.parameters}, std::pair{"first_moment", &state.first_moment},
        std::pair{"second_moment", &state.second_moment}}) {
    const TensorView* tensor = file->find(name);
    if (tensor == nullptr) return invalid(path, fmt::format("no {}", name));
    auto read = to_fp32(*tensor);
    if (!read) return invalid(path, read.error().message);
    *values = std::move(*read);
  }
  if (state.first_moment.size() != state.parameters.size() ||
      state.second_moment.size() != state.parameters.size()) {
    return invalid(path, "its tensors have different sizes");
  }
  return state;
}

CheckpointWriter::~CheckpointWriter() {
  if (thread_.joinable()) thread_.join();
}

void CheckpointWriter::start(TrainState state) {
  done_ = false;
  thread_ = std::thread([this, state = std::move(state)] {
    result_ = write_checkpoint(dir_, state);
    done_ = true;
  });
}

std::optional<Result<CheckpointFile>> CheckpointWriter::finish() {
  if (!busy()) return std::nullopt;
  thread_.join();
  return std::exchange(result_, std::nullopt);
}

std::optional<Result<CheckpointFile>> CheckpointWriter::poll() {
  if (!busy() || !done_) return std::nullopt;
  return finish();
}

}  // namespace tunesmith::engine
