// The tar of an image layer as a stream of bytes: plain, gzip or zstd, told apart by the first
// bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "failure.h"

namespace tunesmith::engine {

// Reads hostile files: memory is bounded whatever they hold. Not thread-safe.
class LayerStream {
 public:
  // Fails with `ImageNotReadable` when the file cannot be opened. `name` stands in messages; more
  // than `max_bytes` come out of no layer.
  static Result<LayerStream> open(const std::filesystem::path& file, std::string name,
                                  std::uint64_t max_bytes);
  LayerStream(LayerStream&&) noexcept;
  LayerStream& operator=(LayerStream&&) noexcept;
  ~LayerStream();

  // How many bytes were put into `to`; 0 = the end. Fails with `ImageNotReadable` when the
  // compressed bytes are damaged, and with `ImageTooLarge`.
  Result<std::size_t> read(std::span<char> to);
  // After the end: the file ended inside of a compressed stream.
  bool cut() const;
  const std::string& name() const;
  std::uint64_t bytes_read() const;  // of the tar so far

 private:
  struct State;
  explicit LayerStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tunesmith::engine
