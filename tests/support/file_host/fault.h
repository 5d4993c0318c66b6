// What a host can do wrong on purpose, so that clients are tested against it.
#pragma once

#include <cstdint>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace tunesmith::testing {

// One rule. Byte counts are positions in the file, also when only a range of it is asked for, but
// for `cut_after` and `stall_after`, which count the bytes of this answer's body.
struct Fault {
  std::string path;  // of the request, without its query; with "*" at its end: what begins so
  std::optional<int> times;  // how many requests it acts on; nothing = all

  int status = 0;             // answer with this status and no file; 0 = no such fault
  std::string retry_after;    // value of the header Retry-After of that answer; "" = no header
  std::string redirect;       // answer 302 with this Location
  std::string bearer_token;   // 401 unless the request has "Authorization: Bearer <token>"
  std::string basic_auth;     // 401 unless the request has Basic credentials "user:password"
  std::string etag;           // the ETag is this one; "none" = there is none
  bool ignore_range = false;  // answer with the whole file, whatever range was asked for
  std::optional<std::uint64_t> range_from;  // answer 206 from this byte, whatever was asked for
  std::optional<std::uint64_t> cut_after;   // close the connection after so many bytes
  std::optional<std::uint64_t>
      stall_after;  // send nothing more after so many bytes; the connection stays open
  std::optional<std::uint64_t> corrupt_at;  // send this byte of the file inverted
  std::uint64_t bytes_per_second = 0;       // send no faster; 0 = as fast as it goes
};

// The JSON form has the same names; an unknown name is an error that names it.
tl::expected<Fault, std::string> parse_fault(const nlohmann::json& value);
tl::expected<std::vector<Fault>, std::string> parse_faults(const std::string& json_array);

// The rules in force. Safe to use from several threads.
class FaultTable {
 public:
  void replace(std::vector<Fault> faults);

  // What applies to one request, all matching rules in one (later ones win); counts each of them
  // down.
  Fault take(const std::string& path);

 private:
  std::mutex mutex_;
  std::vector<Fault> faults_;
};

}  // namespace tunesmith::testing
