#include "data/layer_stream.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>
#include <utility>

namespace tunesmith::engine {

namespace {

constexpr std::size_t kInputSizeBytes = 64U << 10;
// Windows above this are refused by zstd itself: a frame may not make us allocate more.
constexpr int kMaxZstdWindowLog = 27;

enum class Compression { kNone, kGzip, kZstd };

Compression told_by(std::string_view head) {
  if (head.starts_with("\x1f\x8b")) return Compression::kGzip;
  if (head.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  return Compression::kNone;
}

struct ZstdFree {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

}  // namespace

struct LayerStream::State {
  std::ifstream in;
  std::string name;
  Compression compression = Compression::kNone;
  std::array<char, kInputSizeBytes> input{};
  std::size_t at = 0, filled = 0;  // what of `input` is not consumed: [at, filled)
  bool inside = false;             // of a gzip member or zstd frame
  bool ended = false;
  std::uint64_t bytes_read = 0, max_bytes = 0;
  z_stream gzip{};
  bool gzip_open = false;
  std::unique_ptr<ZSTD_DStream, ZstdFree> zstd;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (gzip_open) inflateEnd(&gzip);
  }

  bool fill() {
    if (at < filled) return true;
    in.read(input.data(), static_cast<std::streamsize>(input.size()));
    at = 0;
    filled = static_cast<std::size_t>(in.gcount());
    return filled > 0;
  }
  tl::unexpected<Failure> damaged(const char* what) const {
    return permanent("ImageNotReadable", "layer " + name + " is damaged: its " + what +
                                             " stream cannot be read; push the image again");
  }
  bool begin() {
    if (compression == Compression::kGzip) {
      gzip_open = inflateInit2(&gzip, 16 + MAX_WBITS) == Z_OK;
      return gzip_open;
    }
    if (compression == Compression::kZstd) {
      zstd.reset(ZSTD_createDStream());
      return zstd && ZSTD_isError(ZSTD_DCtx_setParameter(zstd.get(), ZSTD_d_windowLogMax,
                                                         kMaxZstdWindowLog)) == 0;
    }
    return true;
  }
  std::size_t copy(std::span<char> to);
  Result<std::size_t> inflate_some(std::span<char> to);
  Result<std::size_t> zstd_some(std::span<char> to);
};

std::size_t LayerStream::State::copy(std::span<char> to) {
  if (!fill()) return 0;
  const std::size_t count = std::min(to.size(), filled - at);
  std::copy_n(input.data() + at, count, to.data());
  at += count;
  return count;
}

// May return 0 before the end, when a piece of input gave no output yet.
Result<std::size_t> LayerStream::State::inflate_some(std::span<char> to) {
  if (!fill()) {
    ended = true;
    return 0;
  }
  if (!inside) {  // the next of several members
    inflateReset(&gzip);
    inside = true;
  }
  gzip.next_in = reinterpret_cast<Bytef*>(input.data() + at);
  gzip.avail_in = static_cast<uInt>(filled - at);
  gzip.next_out = reinterpret_cast<Bytef*>(to.data());
  gzip.avail_out = static_cast<uInt>(to.size());
  const int result = inflate(&gzip, Z_NO_FLUSH);
  at = filled - gzip.avail_in;
  if (result == Z_STREAM_END) {
    inside = false;
  } else if (result != Z_OK && result != Z_BUF_ERROR) {
    return damaged("gzip");
  }
  return to.size() - gzip.avail_out;
}

Result<std::size_t> LayerStream::State::zstd_some(std::span<char> to) {
  if (!fill()) {
    ended = true;
    return 0;
  }
  ZSTD_inBuffer from{input.data() + at, filled - at, 0};
  ZSTD_outBuffer out{to.data(), to.size(), 0};
  const std::size_t result = ZSTD_decompressStream(zstd.get(), &out, &from);
  if (ZSTD_isError(result) != 0) return damaged("zstd");
  at += from.pos;
  inside = result != 0;
  return out.pos;
}

LayerStream::LayerStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
LayerStream::LayerStream(LayerStream&&) noexcept = default;
LayerStream& LayerStream::operator=(LayerStream&&) noexcept = default;
LayerStream::~LayerStream() = default;

Result<LayerStream> LayerStream::open(const std::filesystem::path& file, std::string name,
                                      std::uint64_t max_bytes) {
  auto state = std::make_unique<State>();
  state->name = std::move(name);
  state->max_bytes = max_bytes;
  state->in.open(file, std::ios::binary);
  if (!state->in) {
    return permanent("ImageNotReadable", "layer " + state->name + " cannot be opened");
  }
  state->fill();
  state->compression = told_by({state->input.data(), state->filled});
  if (!state->begin()) {
    return transient("OutOfMemory", "no memory to unpack layer " + state->name);
  }
  return LayerStream(std::move(state));
}

Result<std::size_t> LayerStream::read(std::span<char> to) {
  State& state = *state_;
  Result<std::size_t> count = 0;
  while (!to.empty() && *count == 0 && !state.ended) {
    switch (state.compression) {
      case Compression::kNone:
        count = state.copy(to);
        state.ended = *count == 0;
        break;
      case Compression::kGzip:
        count = state.inflate_some(to);
        break;
      case Compression::kZstd:
        count = state.zstd_some(to);
        break;
    }
    if (!count) return count;
  }
  state.bytes_read += *count;
  if (state.bytes_read > state.max_bytes) {
    return permanent(
        "ImageTooLarge",
        "the image's layers unpack to more than is allowed; the limit was reached in " +
            state.name);
  }
  return count;
}

bool LayerStream::cut() const { return state_->ended && state_->inside; }
const std::string& LayerStream::name() const { return state_->name; }
std::uint64_t LayerStream::bytes_read() const { return state_->bytes_read; }

}  // namespace tunesmith::engine
