// Who may do what on the bus: one table, from which come the users of the NATS server (`tunesmith
// up`, `tunesmith bus permissions`) and the section of docs/bus.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tunesmith::bus {

// Keys of one bucket, as a NATS pattern.
struct KeyGrant {
  const char* bucket;
  const char* keys = ">";
};

// What may be done with the objects in the buckets ws-<uid>.
enum class Objects {
  kNone,
  kRead,
  kStore,    // read, write, remove, and make buckets
  kCollect,  // read, remove, and delete buckets
};

struct UserGrant {
  const char* user;
  const char* purpose;
  std::vector<const char*> publishes{};  // events, by their token in the subject
  std::vector<const char*> consumes{};  // one durable `<user>_<event>` each; "*" = all, by `<user>`
  std::vector<const char*> reads{};     // buckets; whoever writes a bucket reads it as well
  std::vector<KeyGrant> writes{};
  Objects objects = Objects::kNone;
  std::vector<const char*> follows{};  // streams that it reads in order, without a durable
  bool collects_dead_letters = false;
  bool writes_logs = false;
  bool removes_logs = false;
  bool unlimited = false;  // may publish anything
};

// One user per service, `cli` for people's commands and `admin` for `bus init` and replays.
const std::vector<UserGrant>& grants();
const UserGrant* find_grant(std::string_view user);

// Subjects the user may publish to, and those of them it may not all the same, in the server's
// words; `subscribe` is its own inbox. Works on nats-server 2.9 and later.
struct Permissions {
  std::vector<std::string> publish, publish_deny, subscribe;
};
Permissions permissions_of(const UserGrant& grant);

// Replies to this user come to subjects below it, and nobody else may listen there.
std::string inbox_prefix_of(std::string_view user);

struct UserLogin {
  std::string user;
  std::string password;  // plain, a bcrypt hash, or a variable like $NATS_PASSWORD_CLI
};
// The `authorization` block of a nats-server configuration. A password that begins with '$' and
// does not look like a bcrypt hash is left for the server to look up in its environment.
std::string nats_authorization(const std::vector<UserLogin>& logins);

}  // namespace tunesmith::bus
