#include "watcher/status_store.h"

#include "watcher/status_facts.h"
#include "watcher/status_render.h"

namespace tunesmith::watcher {

using nlohmann::json;
using std::chrono::milliseconds;

Result<StatusStore::Entry> StatusStore::load(const std::string& key) {
  {
    const std::scoped_lock lock(mutex_);
    const auto cached = cache_.find(key);
    if (cached != cache_.end()) return cached->second;
  }
  auto stored = bucket_.get(key);
  if (!stored) return tl::unexpected(stored.error());
  Entry entry;
  if (*stored) {
    entry.status = json::parse((*stored)->value, nullptr, false);
    if (entry.status.is_discarded()) entry.status = nullptr;
    entry.revision = (*stored)->revision;
  }
  return entry;
}

Result<void> StatusStore::write(const std::string& key, Entry& entry) {
  const std::string text = entry.status.dump(-1, ' ', false, json::error_handler_t::replace);
  auto stored =
      entry.revision == 0 ? bucket_.create(key, text) : bucket_.update(key, text, entry.revision);
  if (!stored) return tl::unexpected(stored.error());
  entry.revision = *stored;
  entry.dirty = false;
  entry.ever_written = true;
  entry.written_at = clock_.steady_now();
  return {};
}

Result<StatusStore::Outcome> StatusStore::apply(const std::string& key, bool may_wait,
                                                const Fold& fold) {
  while (true) {
    auto entry = load(key);
    if (!entry) return tl::unexpected(entry.error());
    auto folded = fold(entry->status);
    if (!folded) return tl::unexpected(folded.error());
    Outcome outcome{.status = *folded, .wait = std::nullopt};
    outcome.news = !same_to_people(*folded, entry->status);
    entry->dirty = entry->dirty || outcome.news || *folded != entry->status;
    entry->status = std::move(*folded);
    Result<void> stored;
    if (entry->dirty) {
      const auto turn = entry->written_at + kProgressEvery;
      const auto now = clock_.steady_now();
      if (may_wait && entry->ever_written && now < turn) {
        outcome.wait = std::chrono::ceil<milliseconds>(turn - now);
      } else {
        stored = write(key, *entry);
        outcome.written = stored.has_value();
      }
    }
    const std::scoped_lock lock(mutex_);
    if (stored) {
      Entry& cached = cache_[key];
      if (cached.revision <= entry->revision) cached = std::move(*entry);
      return outcome;
    }
    cache_.erase(key);
    const std::string& reason = stored.error().reason;
    if (reason != "RevisionConflict" && reason != "KeyExists")
      return tl::unexpected(stored.error());
  }
}

Result<json> StatusStore::read(const std::string& key) {
  auto entry = load(key);
  if (!entry) return tl::unexpected(entry.error());
  return std::move(entry->status);
}

Result<void> StatusStore::remove(const std::string& key, const std::string& uid) {
  auto stored = bucket_.get(key);
  if (!stored) return tl::unexpected(stored.error());
  if (*stored) {
    const auto facts = Facts::in(json::parse((*stored)->value, nullptr, false));
    if (facts && facts->uid != uid) return {};
    if (auto removed = bucket_.remove(key); !removed) return removed;
  }
  const std::scoped_lock lock(mutex_);
  cache_.erase(key);
  return {};
}

}  // namespace tunesmith::watcher
