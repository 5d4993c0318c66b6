#include "file_cache.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "runtime/sha256.h"
#include "runtime/text.h"
#include "workspace/url_guard.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kCopyPiece = 1u << 20;

std::string cache_key(const events::v1::RemoteFile& file, AccessTo from) {
  if (from == AccessTo::kModelHub && !file.sha256().empty()) return file.sha256();
  return sha256_hex(file.url() + "\n" + file.etag() + "\n" + file.sha256());
}

struct Facts {
  std::string sha256;  // empty = not known: the entry is of no use
  bool is_private = false;
};

Facts read_facts(const fs::path& path) {
  const auto text = read_file(path, 4096);
  const json facts = text ? json::parse(*text, nullptr, false) : json();
  const bool whole = facts.is_object() && facts.contains("sha256") && facts["sha256"].is_string() &&
                     facts.contains("private") && facts["private"].is_boolean();
  return whole ? Facts{facts["sha256"].get<std::string>(), facts["private"].get<bool>()} : Facts{};
}

// Cut off by a stop, which a file of many GiB needs.
Result<std::string> digest_of(const fs::path& path, const std::stop_token& stop) {
  const auto file = LocalFile::open(path, {path.parent_path().string()});
  if (!file) return tl::unexpected(file.error());
  return file->sha256(stop);
}

void drop(const fs::path& path) {
  std::error_code ignored;  // whoever needs the place finds out
  fs::remove(path, ignored);
}

}  // namespace

// One fetch: where its files lie, and who asks.
struct FileCache::Entry {
  const events::v1::RemoteFile& file;
  const Access& access;
  const FetchListener& listener;
  fs::path complete, part, facts, lock;

  Entry(const fs::path& folder, const events::v1::RemoteFile& planned, AccessTo from,
        const Access& given, const FetchListener& hears)
      : file(planned), access(given), listener(hears), complete(folder / cache_key(planned, from)) {
    part = complete.string() + ".part";
    facts = complete.string() + ".facts";
    lock = complete.string() + ".lock";
  }
  std::string shown() const { return redact_url(file.url()); }
};

FileCache::FileCache(const fs::path& folder, const HttpClient& http, const Clock& clock, Log log,
                     FetchLimits limits, CacheRules rules)
    : folder_(fs::absolute(folder)),
      http_(http),
      clock_(clock),
      log_(std::move(log)),
      limits_(limits),
      rules_(std::move(rules)) {}

Result<fs::path> FileCache::fetch(const events::v1::RemoteFile& file, const FetchListener& listener,
                                  std::stop_token stop, const Access& access) const {
  const Entry entry(folder_, file, rules_.from, access, listener);
  std::error_code error;
  if (fs::create_directories(folder_, error)) {
    fs::permissions(folder_, fs::perms::owner_all, error);
  }
  const FileLock lock(entry.lock);
  const auto on_busy = [&] {
    listener.on_waiting({FailureClass::kTransient, "CacheBusy",
                         entry.shown() + " is just being fetched by another worker here"});
  };
  if (auto locked = lock.lock(on_busy, stop); !locked) return tl::unexpected(locked.error());
  if (file.sha256().empty() && file.etag().empty()) {
    // Nothing would show that the host has another version by now.
    drop(entry.complete);
    drop(entry.part);
  }
  const auto usable = is_usable(entry, stop);
  if (!usable) return tl::unexpected(usable.error());
  if (!*usable) {
    drop(entry.complete);
    if (auto brought = bring(entry, stop); !brought) return tl::unexpected(brought.error());
  }
  listener.on_bytes(fs::file_size(entry.complete, error));
  return entry.complete;
}

// False when there is no entry, or one that is damaged.
Result<bool> FileCache::is_usable(const Entry& entry, const std::stop_token& stop) const {
  if (!fs::exists(entry.complete)) return false;
  const Facts facts = read_facts(entry.facts);
  const auto found = digest_of(entry.complete, stop);
  if (stop.stop_requested()) return transient("Stopped", "the download was stopped");
  const auto& planned = entry.file.sha256();
  const bool whole = found && *found == facts.sha256 && (planned.empty() || *found == planned);
  if (!whole) {
    log_.warning("a cached file is damaged, it is fetched again", {{"url", entry.shown()}});
    return false;
  }
  const bool asks = facts.is_private || workspace::is_file_url(entry.file.url());
  if (auto proved = asks ? prove_access(entry, stop) : Result<void>(); !proved) {
    return tl::unexpected(proved.error());
  }
  return true;
}

Result<LocalFile> FileCache::open_local(const Entry& entry) const {
  const auto path = workspace::file_url_path(entry.file.url());
  if (!path) return permanent("UrlInvalid", "expected file:///path, found " + entry.shown());
  return LocalFile::open(*path, rules_.allowed_data_paths);
}

Result<void> FileCache::prove_access(const Entry& entry, const std::stop_token& stop) const {
  if (!workspace::is_file_url(entry.file.url())) {
    return Download({entry.file, entry.access, rules_.from, entry.listener}, http_, clock_, log_,
                    limits_)
        .prove(stop);
  }
  const auto opened = open_local(entry);
  return opened ? Result<void>() : tl::unexpected(opened.error());
}

Result<void> FileCache::bring(const Entry& entry, const std::stop_token& stop) const {
  Download download({entry.file, entry.access, rules_.from, entry.listener}, http_, clock_, log_,
                    limits_);
  bool anew = false;
  while (true) {
    auto fetched = workspace::is_file_url(entry.file.url())
                       ? download.persist([&] { return copy(entry, stop); }, stop)
                       : download.fetch(entry.part, stop);
    if (!fetched) return fetched;
    const auto digest = verified_digest(entry, stop);
    if (digest) return keep(entry, *digest);
    if (stop.stop_requested()) return tl::unexpected(digest.error());
    drop(entry.part);
    // What was put together of several answers may have been our own doing: once more, in one go.
    if (anew || !download.resumed()) return tl::unexpected(digest.error());
    log_.warning("a resumed download is damaged, it begins anew", {{"url", entry.shown()}});
    anew = true;
  }
}

Result<void> FileCache::copy(const Entry& entry, const std::stop_token& stop) const {
  const auto source = open_local(entry);
  if (!source) return tl::unexpected(source.error());
  auto part = PartFile::open(entry.part);
  if (!part) return tl::unexpected(part.error());
  if (auto emptied = part->restart(); !emptied) return emptied;
  while (true) {
    if (stop.stop_requested()) return transient("Stopped", "the copy was stopped");
    const auto piece = source->read(part->size(), kCopyPiece);
    if (!piece) return tl::unexpected(piece.error());
    if (piece->empty()) return part->sync();
    if (auto written = part->append(*piece); !written) return written;
    entry.listener.on_bytes(part->size());
  }
}

// Of the part file, when it is what was planned.
Result<std::string> FileCache::verified_digest(const Entry& entry,
                                               const std::stop_token& stop) const {
  auto digest = digest_of(entry.part, stop);
  if (!digest) return digest;
  const auto& planned = entry.file.sha256();
  if (planned.empty() || *digest == planned) return digest;
  if (workspace::is_file_url(entry.file.url())) {
    return permanent("SourceChanged", entry.shown() +
                                          " was changed since it was planned; apply "
                                          "the Workspace again");
  }
  return permanent(
      "ChecksumMismatch",
      fmt::format("{} should have sha256 {} and has {}: the host serves something else",
                  entry.shown(), planned, *digest));
}

// The facts first: a complete file without them is of no use.
Result<void> FileCache::keep(const Entry& entry, const std::string& sha256) const {
  const bool is_private = !entry.access.authorization.empty();
  const json facts = {{"sha256", sha256}, {"private", is_private}};
  if (auto written = write_file(entry.facts, facts.dump(), 0600); !written) return written;
  std::error_code error;
  fs::rename(entry.part, entry.complete, error);
  if (error) return tl::unexpected(write_failure(entry.complete, error.value()));
  return {};
}

}  // namespace tunesmith::gpu_worker
