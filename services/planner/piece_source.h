// Where the pieces of a data file come from: a host, or a file of this machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "planner/retries.h"
#include "runtime/access.h"
#include "runtime/http_client.h"
#include "runtime/local_file.h"
#include "runtime/result.h"

namespace tunesmith::planner {

struct Piece {
  std::string bytes;
  std::uint64_t file_size = 0;  // 0 = not told
  std::string etag;             // empty = not told
  std::string sha256;           // of the whole file; empty = not told
};

// One thread at a time.
class PieceSource {
 public:
  PieceSource() = default;
  virtual ~PieceSource() = default;
  PieceSource(const PieceSource&) = delete;
  PieceSource& operator=(const PieceSource&) = delete;

  // Bytes [0, count), fewer of a shorter file. Permanent `DataNotFound`, `DataAccessDenied`,
  // `DataEmpty`, `DataNotReadable`, `FileNotAllowed`; Transient `DataHostUnavailable`,
  // `FileUnreadable`, `Stopped`.
  virtual Result<Piece> head(std::uint64_t count) const = 0;
  // The last `count` bytes of a file of `size` bytes.
  virtual Result<Piece> tail(std::uint64_t size, std::uint64_t count) const = 0;
};

// Over HTTP, by ranges; retries inside `patience`. All references outlive it.
std::unique_ptr<PieceSource> http_source(const std::string& url, const Access& access,
                                         const HttpClient& http, const Patience& patience);
// Both outlive it.
std::unique_ptr<PieceSource> file_source(const LocalFile& file, const std::string& url);

// The digest in an `X-Linked-Etag` of the model hub; empty when it is none. Pure.
std::string sha256_of_etag(std::string_view etag);

// The `ETag` of an answer; empty when it holds bytes above 0x7F, which RFC 9110 allows there and a
// Protobuf string does not. Pure.
std::string plain_etag(const std::string& etag);

}  // namespace tunesmith::planner
