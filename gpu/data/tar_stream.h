// The entries of a tar archive, one after the other: ustar, PAX and GNU's long names, as image
// layers have them (POSIX.1-2001 pax; GNU tar manual, "Basic Tar Format").
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "data/layer_stream.h"
#include "failure.h"

namespace tunesmith::engine {

struct TarItem {
  enum class Kind { kFile, kFolder, kLink, kOther };
  Kind kind = Kind::kOther;
  std::string name;              // as it stands there, at most 4096 bytes, no NUL
  std::uint64_t size_bytes = 0;  // told by the archive: not to be trusted for an allocation
};

// Reads hostile archives in bounded memory. `layer` outlives it.
class TarStream {
 public:
  explicit TarStream(LayerStream& layer) : layer_(layer) {}

  // The next entry; what was not read of the one before is skipped. nullopt at the end. Fails with
  // `ImageNotReadable`: no tar header where one must be, names too long, sparse files.
  Result<std::optional<TarItem>> next();
  // Content of the entry; 0 = its end, or the stream is cut.
  Result<std::size_t> read(std::span<char> to);
  // The archive ended in the middle of an entry.
  bool cut() const { return cut_; }
  std::uint64_t content_left() const { return left_; }

 private:
  Result<bool> fill(std::span<char> to);
  Result<void> skip(std::uint64_t bytes);
  Result<std::string> text(std::uint64_t size, const char* what);
  Result<void> read_pax(std::uint64_t size);
  tl::unexpected<Failure> invalid(const std::string& what) const;

  LayerStream& layer_;
  std::uint64_t left_ = 0, padding_ = 0;
  bool cut_ = false;
  // What an extension header says of the entry that follows.
  std::optional<std::string> next_name_;
  std::optional<std::uint64_t> next_size_;
};

}  // namespace tunesmith::engine
