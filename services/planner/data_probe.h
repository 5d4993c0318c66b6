// A data URL: does it answer, which version is there, and can it be learnt from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "planner/inspection.h"
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

// The digest in an `X-Linked-Etag` of the model hub; empty when it is none. Pure.
std::string sha256_of_etag(std::string_view etag);

// The `ETag` of an answer; empty when it holds bytes above 0x7F, which RFC 9110 allows there and a
// Protobuf string does not. Pure.
std::string plain_etag(const std::string& etag);

// Fetches as little as shows the schema: 64 KiB of head, and the footer of parquet. Retries inside
// `patience`. Permanent `DataNotFound`, `DataAccessDenied`, `DataUnreadable…` as tunesmith-inspect
// names them; Transient `DataHostUnavailable`, `Stopped`.
Result<ProbedFile> probe(const std::string& url, const HttpClient& http, const Inspector& inspector,
                         const Patience& patience);

}  // namespace tunesmith::planner
