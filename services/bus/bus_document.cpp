#include "bus/bus_document.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "bus/event.h"
#include "bus/permissions.h"
#include "bus/topology_table.h"

namespace tunesmith::bus {
namespace {

std::string join(const std::vector<std::string>& words, const std::string& between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text.empty() ? "—" : text;
}

std::vector<std::string> users_that(const std::function<bool(const std::string& subject)>& may) {
  std::vector<std::string> users;
  for (const UserGrant& grant : grants()) {
    if (grant.unlimited) continue;
    const auto subjects = permissions_of(grant).publish;
    if (std::any_of(subjects.begin(), subjects.end(), may)) users.emplace_back(grant.user);
  }
  return users;
}

std::vector<std::string> writers_of(const std::vector<std::string>& stream_subjects) {
  return users_that([&](const std::string& subject) {
    return std::any_of(stream_subjects.begin(), stream_subjects.end(), [&](const auto& pattern) {
      return subject.starts_with(pattern.substr(0, pattern.size() - 1));  // without the ">"
    });
  });
}

std::vector<std::string> readers_of(const std::string& stream) {
  return users_that([&](const std::string& subject) {
    return subject == "$JS.API.STREAM.MSG.GET." + stream ||
           subject.starts_with("$JS.API.CONSUMER.MSG.NEXT." + stream + ".") ||
           subject.starts_with("$JS.API.CONSUMER.CREATE." + stream + ".");
  });
}

std::string size(std::int64_t bytes) {
  if (bytes % (1 << 20) == 0) return std::to_string(bytes >> 20) + " MiB";
  return std::to_string(bytes >> 10) + " KiB";
}

std::string share(std::int64_t part) { return part == 1 ? "B" : "B/" + std::to_string(part); }

std::string duration(std::int64_t seconds) {
  if (seconds % 86'400 == 0) return std::to_string(seconds / 86'400) + " d";
  return std::to_string(seconds / 60) + " min";
}

std::string quoted(const std::vector<std::string>& subjects, const std::string& between) {
  std::vector<std::string> all;
  all.reserve(subjects.size());
  for (const std::string& subject : subjects) all.push_back("`" + subject + "`");
  return join(all, between);
}

std::vector<std::string> users_with(std::vector<const char*> UserGrant::*list,
                                    const std::string& token, bool durable) {
  std::vector<std::string> users;
  for (const UserGrant& grant : grants()) {
    for (const std::string one : grant.*list) {
      if (one == token) users.push_back(grant.user + (durable ? "_" + token : std::string()));
      if (one == "*") users.emplace_back(grant.user);
    }
  }
  return users;
}

}  // namespace

std::string streams_markdown() {
  std::string text =
      "| stream | what | subjects | kept | at most | message at most | duplicates | written by | "
      "read by |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const StreamSpec& spec : stream_table()) {
    const std::vector<std::string> subjects(spec.subjects.begin(), spec.subjects.end());
    std::string most = share(spec.share);
    if (spec.max_per_subject > 0)
      most += ", " + std::to_string(spec.max_per_subject) + " per subject";
    text += std::string("| `") + spec.name + "` | " + spec.description + " | " +
            quoted(subjects, ", ") + " | " + duration(spec.max_age_s) + " | " + most + " | " +
            size(spec.max_message_bytes) + " | " + duration(spec.duplicates_s) + " | " +
            (spec.no_ack ? "the server, " : "") + join(writers_of(subjects), ", ") + " | " +
            join(readers_of(spec.name), ", ") + " |\n";
  }
  return text;
}

std::string buckets_markdown() {
  std::string text =
      "| bucket | what | keys | history | value at most | bucket at most | written by | read by |\n"
      "|---|---|---|---|---|---|---|---|\n";
  for (const BucketSpec& spec : bucket_table()) {
    const std::string name = spec.name;
    text += "| `" + name + "` | " + spec.description + " | " + spec.keys + " | " +
            std::to_string(spec.history) + " | " + size(spec.max_value_bytes) + " | " +
            share(spec.share) + " | " + join(writers_of({"$KV." + name + ".>"}), ", ") + " | " +
            join(readers_of("KV_" + name), ", ") + " |\n";
  }
  return text;
}

std::string events_markdown() {
  std::string text = "| event | published by | taken by the durables |\n|---|---|---|\n";
  for (const std::string& token : all_event_tokens()) {
    text += "| `" + token + "` | " + join(users_with(&UserGrant::publishes, token, false), ", ") +
            " | " + join(users_with(&UserGrant::consumes, token, true), ", ") + " |\n";
  }
  return text;
}

std::string permissions_markdown() {
  std::string text;
  for (const UserGrant& grant : grants()) {
    const Permissions permissions = permissions_of(grant);
    text += std::string("**") + grant.user + "**: " + grant.purpose + "\n\n* may listen on " +
            quoted(permissions.subscribe, ", ") + "\n* may publish " +
            quoted(permissions.publish, ", ") + "\n";
    if (!permissions.publish_deny.empty()) {
      text += "* but not " + quoted(permissions.publish_deny, ", ") + "\n";
    }
    text += "\n";
  }
  text.pop_back();
  return text;
}

}  // namespace tunesmith::bus
