// A data URL: does it answer, which version is there, and can it be learnt from.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "planner/inspection.h"
#include "planner/piece_source.h"
#include "planner/retries.h"
#include "runtime/http_client.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::planner {

struct ProbedFile {
  events::v1::RemoteFile file;  // path not yet set
  Inspection inspection;
};

// The last part of the URL's path, letters that a file name should not have replaced; "data" when
// there is none. Pure.
std::string file_name_of(std::string_view url);

// All outlive the call.
struct ProbeTools {
  const HttpClient& http;  // guards addresses
  const Inspector& inspector;
  const Access& access;                                // to HTTP URLs
  const std::vector<std::string>& allowed_data_paths;  // for file:// URLs
};

// Fetches as little as shows the schema: 64 KiB of head, and the footer of parquet. Retries inside
// `patience`. Permanent `DataNotFound`, `DataAccessDenied`, `DataUnreadable…` as tunesmith-inspect
// names them, `FileNotAllowed`; Transient `DataHostUnavailable`, `FileUnreadable`, `Stopped`. The
// credentials stay here: tunesmith-inspect gets a piece of the file and talks to nobody.
Result<ProbedFile> probe(const std::string& url, const ProbeTools& tools, const Patience& patience);

}  // namespace tunesmith::planner
