#include "cli/deletion_wait.h"

#include <nlohmann/json.hpp>
#include <thread>

#include "cli/json_view.h"
#include "runtime/retry.h"

namespace tunesmith::cli {
namespace {

bool is_being_deleted(const bus::KeyValueEntry& entry) {
  if (entry.deleted) return false;
  const auto object = nlohmann::json::parse(entry.value, nullptr, false);
  return member(object, "/metadata/deletionTimestamp") != nullptr;
}

}  // namespace

Result<bool> wait_until_deleted(bus::KeyValue& objects, const std::string& key,
                                std::optional<std::chrono::milliseconds> limit,
                                std::stop_token stop) {
  std::stop_source enough;
  const std::stop_callback on_stop(stop, [&] { enough.request_stop(); });
  std::jthread timer;
  if (limit) {
    timer = std::jthread([&enough, limit](const std::stop_token& done) {
      if (wait_for(*limit, done)) enough.request_stop();
    });
  }
  bool waiting = false, caught_up = false;
  const auto look = [&] {
    if (caught_up && !waiting) enough.request_stop();
  };
  const auto watched = objects.watch(
      key,
      [&](const bus::KeyValueEntry& entry) {
        waiting = is_being_deleted(entry);
        look();
      },
      [&] {
        caught_up = true;
        look();
      },
      enough.get_token());
  if (!watched) return tl::unexpected(watched.error());
  return caught_up && !waiting;
}

}  // namespace tunesmith::cli
