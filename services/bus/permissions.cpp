#include "bus/permissions.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "bus/topology.h"
#include "bus/topology_table.h"

namespace tunesmith::bus {
namespace {

constexpr const char* kApi = "$JS.API.";

}  // namespace

const std::vector<UserGrant>& grants() {
  static const std::vector<UserGrant> table = {
      {.user = "watcher",
       .purpose = "observes Workspaces, writes their status, collects dead letters",
       .publishes = {"workspace-observed", "workspace-deleted"},
       .consumes = {"*"},
       .writes = {{bucket::kWorkspaces, "status.>"},
                  {bucket::kWorkspaces, "spec.>"},  // removed when a Workspace is cleaned
                  {bucket::kCurrent}},
       .collects_dead_letters = true},
      {.user = "planner",
       .purpose = "plans what a Workspace asks for",
       .publishes = {"tuning-planned", "serving-planned", "plan-rejected", "plan-pending"},
       .consumes = {"workspace-observed"},
       .reads = {bucket::kCurrent, bucket::kInventory},
       .writes = {{bucket::kPlans}}},
      {.user = "image-builder",
       .purpose = "checks where to push, pushes adapters as images",
       .publishes = {"plan-cleared", "plan-rejected", "plan-pending", "image-push-progressed",
                     "image-pushed", "image-push-failed"},
       .consumes = {"tuning-planned", "adapter-ready"},
       .reads = {bucket::kCurrent},
       .objects = Objects::kRead},
      {.user = "provisioner",
       .purpose = "gives and takes workers, cleans up after deleted Workspaces",
       // adapter-ready: announces an accepted result again
       .publishes = {"nodes-pending", "nodes-ready", "nodes-failed", "worker-lost",
                     "nodes-released", "workspace-cleaned", "adapter-ready"},
       .consumes = {"plan-cleared", "serving-planned", "adapter-ready", "tuning-failed",
                    "serving-stopped", "serving-failed", "plan-rejected", "image-pushed",
                    "workspace-deleted"},
       .reads = {bucket::kCurrent},
       .writes = {{bucket::kInventory},
                  {bucket::kPlans},
                  {bucket::kResults},
                  {bucket::kLeases},
                  {bucket::kRendezvous}},
       .objects = Objects::kCollect,
       .removes_logs = true},
      {.user = "gpu-worker",
       .purpose = "trains and stores adapters",
       .publishes = {"tuning-started", "tuning-progressed", "adapter-ready", "tuning-failed",
                     "serving-ready", "serving-stopped", "serving-failed"},
       .consumes = {"nodes-ready"},
       .reads = {bucket::kCurrent},
       .writes = {{bucket::kLeases}, {bucket::kResults}, {bucket::kRendezvous}},
       .objects = Objects::kStore,
       .writes_logs = true},
      {.user = "cli",
       .purpose = "what people ask and apply",
       .reads = {bucket::kInventory},
       .writes = {{bucket::kWorkspaces, "spec.>"}, {bucket::kWorkspaces, "configmap.>"}},
       .follows = {kStream, kDeadLetterStream, kLogStream}},
      {.user = "admin",
       .purpose = "creates the bus (`bus init`), replays dead letters (`dlq replay`)",
       .unlimited = true},
  };
  return table;
}

const UserGrant* find_grant(std::string_view user) {
  const auto found = std::find_if(grants().begin(), grants().end(),
                                  [&](const UserGrant& grant) { return user == grant.user; });
  return found == grants().end() ? nullptr : &*found;
}

std::string inbox_prefix_of(std::string_view user) { return "_INBOX_" + std::string(user); }

namespace {

struct Durable {
  std::string stream, name, filter;
};

std::vector<Durable> durables_of(const UserGrant& grant) {
  std::vector<Durable> durables;
  const std::string user = grant.user;
  const std::string prefix = user + "_";
  durables.reserve(grant.consumes.size());
  for (const std::string token : grant.consumes) {
    durables.push_back(token == "*"
                           ? Durable{kStream, user, "tunesmith.v1.>"}
                           : Durable{kStream, prefix + token, "tunesmith.v1." + token + ".*"});
  }
  if (grant.collects_dead_letters) {
    durables.push_back(
        {kAdvisoryStream, "dead-letter-collector", "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"});
    durables.push_back({kDeadLetterStream, "dead-letter-notice", "tunesmith.dlq.>"});
  }
  return durables;
}

// What stands in a stream: the filter of whoever may read all of it.
std::string subjects_in(const std::string& stream) {
  if (stream == kStream) return "tunesmith.v1.>";
  if (stream == kDeadLetterStream) return "tunesmith.dlq.>";
  if (stream == kLogStream) return std::string(kLogSubjectPrefix) + ">";
  return "$KV." + stream.substr(3) + ".>";
}

// Collects subjects, each once, in the order they were asked for.
class Subjects {
 public:
  void add(const std::string& subject) {
    if (seen_.insert(subject).second) list_.push_back(subject);
  }
  void api(const std::string& call) { add(kApi + call); }

  // Looking at a stream, single messages of it, and reading it in order by a consumer with a name
  // of its own that pushes to the reader's inbox (the server forgets it when the reader is gone).
  void read_stream(const std::string& stream, const std::string& filter) {
    api("STREAM.INFO." + stream);
    api("STREAM.MSG.GET." + stream);
    api("CONSUMER.CREATE." + stream + ".*." + filter);
    add("$JS.FC." + (stream == "*" ? std::string(">") : stream + ".>"));
  }

  // A durable consumer: the server holds its name and filter against the subject of the request.
  void consume(const Durable& durable) {
    api("CONSUMER.CREATE." + durable.stream + "." + durable.name + "." + durable.filter);
    api("CONSUMER.MSG.NEXT." + durable.stream + "." + durable.name);
    add("$JS.ACK." + durable.stream + "." + durable.name + ".>");
    add("tunesmith.dlq." + durable.name + ".*");
    add(kHandBackPrefix + durable.name + ".*");
    api(std::string("STREAM.INFO.") + kAdvisoryStream);  // how often it was handed back
  }

  bool has(const std::string& subject) const { return seen_.contains(subject); }
  const std::vector<std::string>& list() const { return list_; }

 private:
  std::set<std::string> seen_;
  std::vector<std::string> list_;
};

void add_objects(Objects objects, Subjects& allowed) {
  if (objects == Objects::kNone) return;
  allowed.read_stream("*", "$O.>");
  if (objects == Objects::kRead) return;
  allowed.add("$O.*.M.*");
  allowed.api("STREAM.PURGE.*");
  allowed.api("STREAM.MSG.DELETE.*");
  if (objects == Objects::kCollect) {
    allowed.api("STREAM.NAMES");
    allowed.api("STREAM.DELETE.*");
    return;
  }
  allowed.add("$O.*.C.*");
  allowed.api("INFO");  // how much room there is
  allowed.api("STREAM.CREATE.*");
  allowed.api("STREAM.UPDATE.*");
}

// Object buckets are made at run time and a wildcard is a whole token, so the right to them is the
// right to all streams but the fixed ones. What is granted by name stays.
void deny_fixed_streams(Objects objects, const Subjects& allowed, Subjects& deny) {
  std::vector<std::string> calls = {"STREAM.INFO.", "STREAM.MSG.GET."};
  if (objects == Objects::kNone) return;
  if (objects != Objects::kRead) {
    calls.emplace_back("STREAM.PURGE.");
    calls.emplace_back("STREAM.MSG.DELETE.");
  }
  if (objects == Objects::kCollect) calls.emplace_back("STREAM.DELETE.");
  if (objects == Objects::kStore) {
    calls.emplace_back("STREAM.CREATE.");
    calls.emplace_back("STREAM.UPDATE.");
  }
  for (const std::string& stream : fixed_stream_names()) {
    for (const std::string& call : calls) {
      const std::string one = call + stream;
      if (!allowed.has(kApi + one)) deny.api(one);
    }
    deny.api("CONSUMER.CREATE." + stream + ".*.$O.>");
  }
}

// Who reads a stream with durables may make consumers of any name but theirs.
void deny_durables(const UserGrant& grant, Subjects& deny) {
  for (const std::string stream : grant.follows) {
    for (const UserGrant& other : grants()) {
      for (const Durable& durable : durables_of(other)) {
        if (durable.stream == stream) {
          deny.api("CONSUMER.CREATE." + stream + "." + durable.name + ".>");
        }
      }
    }
  }
}

std::set<std::string> readable_streams(const UserGrant& grant) {
  std::set<std::string> streams(grant.follows.begin(), grant.follows.end());
  for (const char* bucket : grant.reads) streams.insert(std::string("KV_") + bucket);
  for (const KeyGrant& keys : grant.writes) streams.insert(std::string("KV_") + keys.bucket);
  return streams;
}

void add_consumers(const UserGrant& grant, Subjects& allowed) {
  for (const Durable& durable : durables_of(grant)) allowed.consume(durable);
  if (!grant.collects_dead_letters) return;
  allowed.api(std::string("STREAM.MSG.GET.") + kStream);
  allowed.api(std::string("STREAM.MSG.GET.") + kDeadLetterStream);
  allowed.add("tunesmith.dlq.>");
}

}  // namespace

Permissions permissions_of(const UserGrant& grant) {
  Permissions permissions;
  permissions.subscribe = {inbox_prefix_of(grant.user) + ".>"};
  if (grant.unlimited) {
    permissions.publish = {">"};
    return permissions;
  }
  Subjects allowed;
  for (const std::string token : grant.publishes) allowed.add("tunesmith.v1." + token + ".*");
  add_consumers(grant, allowed);
  const auto readable = readable_streams(grant);
  for (const std::string& stream : readable) {
    allowed.read_stream(stream, subjects_in(stream));
    // Nobody has durables on buckets: a reader may tidy up what it made.
    if (stream.starts_with("KV_")) allowed.api("CONSUMER.DELETE." + stream + ".*");
  }
  for (const KeyGrant& keys : grant.writes) {
    allowed.add(std::string("$KV.") + keys.bucket + "." + keys.keys);
  }
  add_objects(grant.objects, allowed);
  if (grant.writes_logs) allowed.add(std::string(kLogSubjectPrefix) + "*");
  if (grant.removes_logs) allowed.api(std::string("STREAM.PURGE.") + kLogStream);
  permissions.publish = allowed.list();
  Subjects deny;
  deny_fixed_streams(grant.objects, allowed, deny);
  deny_durables(grant, deny);
  permissions.publish_deny = deny.list();
  return permissions;
}

std::string nats_authorization(const std::vector<UserLogin>& logins) {
  const auto list = [](const std::vector<std::string>& subjects, const std::string& indent) {
    std::string text = "[\n";
    for (const auto& subject : subjects) {
      text += indent + "  " + nlohmann::json(subject).dump() + "\n";
    }
    return text + indent + "]";
  };
  std::string text = "authorization {\n  timeout: 5\n  users = [\n";
  for (const UserLogin& login : logins) {
    const UserGrant* grant = find_grant(login.user);
    if (grant == nullptr) continue;
    const Permissions permissions = permissions_of(*grant);
    const bool variable = login.password.starts_with('$') && !login.password.starts_with("$2");
    text += std::string("    # ") + grant->purpose +
            "\n    {\n      user: " + nlohmann::json(login.user).dump() + "\n      password: " +
            (variable ? login.password : nlohmann::json(login.password).dump()) +
            "\n      permissions {\n        publish {\n          allow: " +
            list(permissions.publish, "          ") + "\n";
    if (!permissions.publish_deny.empty()) {
      text += "          deny: " + list(permissions.publish_deny, "          ") + "\n";
    }
    text += "        }\n        subscribe { allow: " + list(permissions.subscribe, "        ") +
            " }\n      }\n    }\n";
  }
  return text + "  ]\n}\n";
}

}  // namespace tunesmith::bus
