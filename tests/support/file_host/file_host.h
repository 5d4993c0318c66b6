// An HTTP host for tests and the demo: the files of a folder and, under the model hub's routes, the
// models in it; with faults on demand. It stands in for what cannot be had offline (model hub, data
// set hosts), never for a part of tunesmith.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "file_host/fault.h"

namespace tunesmith::testing {

// One request as it was answered.
struct SeenRequest {
  std::string method;
  std::string path;         // without query
  std::string query;        // "a=b&c=d", keys in order
  std::string range;        // the header, "" = none
  bool authorized = false;  // had an Authorization header
  int status = 0;
  std::uint64_t body_bytes = 0;  // bytes of a file sent so far
};

// GET and HEAD of
//   /<path>                                          root/<path>, with ETag (the SHA-256), Range,
//   If-Range /api/models/<org>/<name>[/revision/<rev>]        root/models/<org>/<name> as the hub
//   describes it
//   /<org>/<name>/resolve/<rev>/<path>               its files; <rev> is "main" or the revision the
//   description names
// and, for other processes, PUT /_control/faults (JSON array) and GET /_control/requests (JSON
// array). Safe to use from several threads; owns its threads. At most 10,000 requests are
// remembered.
class FileHost {
 public:
  struct Options {
    std::filesystem::path root;
    int port = 0;  // on 127.0.0.1; 0 = the kernel chooses
    std::vector<Fault> faults = {};
  };

  // Listens when it returns. The error says what is wrong with the folder or the port.
  static tl::expected<std::unique_ptr<FileHost>, std::string> start(Options options);

  FileHost(const FileHost&) = delete;
  FileHost& operator=(const FileHost&) = delete;
  // Ends stalled answers, then waits for those under way (at most the 5 s that a client may leave
  // its socket full).
  ~FileHost();

  int port() const;
  std::string url() const;  // "http://127.0.0.1:<port>"

  // Replaces all rules; they hold for requests that come after.
  void set_faults(std::vector<Fault> faults);
  std::vector<SeenRequest> requests() const;

 private:
  class Impl;
  explicit FileHost(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tunesmith::testing
