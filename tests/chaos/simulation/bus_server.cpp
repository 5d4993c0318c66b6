#include "simulation/bus_server.h"

#include <nlohmann/json.hpp>

#include "bus/subject.h"
#include "bus/topology.h"
#include "simulation/world.h"

namespace tunesmith::simulation {
namespace {

constexpr Time kDuplicateWindow = 10 * kMinute;

}  // namespace

struct BusServer::Durable {
  ConsumerConfig config;
  struct Session {
    const void* id;
    Process* process;
    std::function<void()> wake;
  };
  struct InHand {
    const void* session;
    Process* process;
    Time deadline;
  };
  std::vector<Session> sessions;
  std::multimap<Time, std::uint64_t> due;  // when it may be delivered (again) → sequence
  std::map<std::uint64_t, InHand> in_hand;
  std::map<std::uint64_t, std::uint64_t> deliveries;
  std::map<std::uint64_t, std::uint64_t> lost;
};

BusServer::BusServer(World& world) : world_(world) {}

// Callbacks into processes that were killed are not destroyed: they belong to memory that is gone.
BusServer::~BusServer() {
  for (auto& [name, durable] : durables_) {
    for (auto& session : durable->sessions) new std::function<void()>(std::move(session.wake));
  }
  for (auto& [id, client] : clients_) new std::function<void()>(std::move(client.second));
}

Stream& BusServer::stream(const std::string& name) {
  Stream& found = streams_[name];
  if (found.name.empty()) {
    found.name = name;
    found.bucket = name.starts_with("KV_");
  }
  return found;
}

std::string BusServer::stream_name_of(const std::string& subject) {
  const auto second = [&](std::size_t begin) {
    return subject.substr(begin, subject.find('.', begin) - begin);
  };
  if (subject.starts_with("$KV.")) return "KV_" + second(4);
  if (subject.starts_with("$O.")) return "OBJ_" + second(3);
  if (subject.starts_with("tunesmith.dlq.")) return bus::kDeadLetterStream;
  if (subject.starts_with("tunesmith.logs.")) return bus::kLogStream;
  if (subject.starts_with("$JS.EVENT.ADVISORY.")) return bus::kAdvisoryStream;
  if (subject.starts_with(bus::kHandBackPrefix)) return bus::kAdvisoryStream;
  return bus::kStream;
}

// Only the object stores come and go.
bool BusServer::exists(const std::string& name) const {
  return !name.starts_with("OBJ_") || streams_.contains(name);
}

void BusServer::create(const std::string& name) { stream(name); }

bool BusServer::remove(const std::string& name) { return streams_.erase(name) > 0; }

void BusServer::purge(const std::string& name, const std::string& subject) {
  std::erase_if(stream(name).all, [&](const auto& kept) { return kept.second.subject == subject; });
}

std::vector<std::string> BusServer::names() const {
  std::vector<std::string> names;
  for (const auto& [name, stream] : streams_) names.push_back(name);
  return names;
}

std::map<std::string, std::uint64_t> BusServer::subjects(const std::string& name,
                                                         const std::string& filter) {
  std::map<std::string, std::uint64_t> counts;
  for (const auto& [sequence, stored] : stream(name).all) {
    if (bus::subject_matches(filter, stored.subject)) ++counts[stored.subject];
  }
  return counts;
}

Time BusServer::last_time(const std::string& name) {
  const auto& all = stream(name).all;
  return all.empty() ? 0 : all.rbegin()->second.time;
}

BusServer::StoreAnswer BusServer::store(const std::string& subject, std::string data,
                                        bus::Headers headers, const std::string& id,
                                        std::optional<std::uint64_t> expected_last) {
  Stream& into = stream(stream_name_of(subject));
  const Time now = world_.now();
  if (!id.empty()) {
    const auto known = into.ids.find(id);
    if (known != into.ids.end() && now - known->second.first < kDuplicateWindow) {
      return {StoreCode::kDuplicate, known->second.second};
    }
  }
  if (expected_last && !world_.mutated(Mutation::ignores_revisions_of(into.name))) {
    const auto present = into.last.find(subject);
    const std::uint64_t sequence = present == into.last.end() ? 0 : present->second.sequence;
    if (sequence != *expected_last) return {StoreCode::kWrongLastSequence, sequence};
  }
  if (world_.mutated(Mutation::kStatusLost) && subject.starts_with("$KV.workspaces.status.") &&
      into.last_sequence % 10 == 0) {
    return {StoreCode::kStored, ++into.last_sequence};
  }
  if (!id.empty()) headers["Nats-Msg-Id"] = id;
  Stored stored{.subject = subject,
                .data = std::move(data),
                .headers = std::move(headers),
                .sequence = ++into.last_sequence,
                .time = now};
  if (!id.empty()) into.ids[id] = {now, stored.sequence};
  if (stored.headers.contains("Nats-Rollup")) purge(into.name, subject);
  Stored& kept = into.bucket ? into.last[subject] : into.all[stored.sequence];
  kept = std::move(stored);
  if (on_stored) on_stored(into, kept);
  if (world_.loses(kept)) {  // a power cut: acknowledged, and gone
    const std::uint64_t sequence = kept.sequence;
    into.all.erase(sequence);
    return {StoreCode::kStored, sequence};
  }
  for (auto& [name, durable] : durables_) offer(*durable, kept);
  for (const Follower& follower : followers_) {
    if (follower.stream == into.name && bus::subject_matches(follower.filter, subject)) {
      world_.scheduler().wake_all(follower.key);
    }
  }
  return {StoreCode::kStored, kept.sequence};
}

const Stored* BusServer::last(const std::string& name, const std::string& subject) {
  const Stream& in = stream(name);
  if (!in.bucket) {
    for (auto at = in.all.rbegin(); at != in.all.rend(); ++at) {
      if (at->second.subject == subject) return &at->second;
    }
    return nullptr;
  }
  const auto found = in.last.find(subject);
  return found == in.last.end() ? nullptr : &found->second;
}

const Stored* BusServer::message(const std::string& name, std::uint64_t sequence) {
  const Stream& in = stream(name);
  const auto found = in.all.find(sequence);
  return found == in.all.end() ? nullptr : &found->second;
}

const Stored* BusServer::next_after(const std::string& name, const std::string& filter,
                                    std::uint64_t sequence) {
  const Stream& in = stream(name);
  if (!in.bucket) {
    for (auto at = in.all.upper_bound(sequence); at != in.all.end(); ++at) {
      if (bus::subject_matches(filter, at->second.subject)) return &at->second;
    }
    return nullptr;
  }
  const Stored* next = nullptr;
  for (const auto& [subject, stored] : in.last) {
    if (stored.sequence <= sequence || (next != nullptr && stored.sequence > next->sequence)) {
      continue;
    }
    if (bus::subject_matches(filter, subject)) next = &stored;
  }
  return next;
}

void BusServer::ensure_consumer(const ConsumerConfig& config) {
  auto& durable = durables_[config.durable];
  const bool is_new = durable == nullptr;
  if (is_new) durable = std::make_unique<Durable>();
  durable->config = config;
  if (!is_new) return;
  for (const auto& [sequence, stored] : stream(config.stream).all) offer(*durable, stored);
}

// A message reaches each durable in its own time, so that there is no order between them.
void BusServer::offer(Durable& durable, const Stored& stored) {
  if (stream_name_of(stored.subject) != durable.config.stream) return;
  if (!bus::subject_matches(durable.config.filter, stored.subject)) return;
  if (world_.mutated(Mutation::kReleasesForgotten) &&
      (durable.config.durable == "provisioner_adapter-ready" ||
       durable.config.durable == "provisioner_tuning-failed")) {
    return;
  }
  const Time when = world_.now() + world_.lag();
  durable.due.emplace(when, stored.sequence);
  world_.scheduler().at(when, [this, &durable] { wake(durable); });
}

void BusServer::wake(Durable& durable) {
  for (std::size_t i = 0; i < durable.sessions.size(); ++i) {
    if (durable.sessions[i].process->alive) durable.sessions[i].wake();
  }
}

void BusServer::join(const std::string& name, const void* session, std::function<void()> wake) {
  durables_.at(name)->sessions.push_back(
      {session, world_.scheduler().current_process(), std::move(wake)});
}

void BusServer::leave(const std::string& name, const void* session) {
  const auto durable = durables_.find(name);
  if (durable == durables_.end()) return;
  std::erase_if(durable->second->sessions,
                [&](const auto& joined) { return joined.id == session; });
}

bool BusServer::holds_any(const std::string& name, const void* session) const {
  const auto durable = durables_.find(name);
  if (durable == durables_.end()) return false;
  for (const auto& [sequence, in_hand] : durable->second->in_hand) {
    if (in_hand.session == session) return true;
  }
  return false;
}

std::optional<bus::Message> BusServer::fetch(const std::string& name, const void* session) {
  Durable& durable = *durables_.at(name);
  const Time now = world_.now();
  while (!durable.due.empty() && durable.due.begin()->first <= now) {
    const std::uint64_t sequence = durable.due.begin()->second;
    durable.due.erase(durable.due.begin());
    const Stored* stored = message(durable.config.stream, sequence);
    if (stored == nullptr || durable.in_hand.contains(sequence)) continue;
    const std::uint64_t deliveries = ++durable.deliveries[sequence];
    const Time deadline = now + durable.config.ack_wait;
    durable.in_hand[sequence] = {session, world_.scheduler().current_process(), deadline};
    world_.scheduler().at(deadline, [this, &durable, sequence, deliveries] {
      expire(durable, sequence, deliveries);
    });
    bus::Message message{
        .subject = stored->subject,
        .reply = fmt::format("$JS.ACK.{}.{}.{}.{}.{}.{}.0", durable.config.stream, name, deliveries,
                             sequence, sequence, kWallBegin + stored->time),
        .data = stored->data,
        .headers = stored->headers};
    if (world_.story().wanted()) world_.tell_delivery(name, *stored, deliveries);
    return message;
  }
  return std::nullopt;
}

// A delivery whose client was not heard of for the ack wait is made again.
void BusServer::expire(Durable& durable, std::uint64_t sequence, std::uint64_t deliveries) {
  const auto found = durable.in_hand.find(sequence);
  if (found == durable.in_hand.end() || durable.deliveries[sequence] != deliveries) return;
  if (found->second.deadline > world_.now()) {
    world_.scheduler().at(found->second.deadline, [this, &durable, sequence, deliveries] {
      expire(durable, sequence, deliveries);
    });
    return;
  }
  ++durable.lost[sequence];
  durable.in_hand.erase(found);
  give_back(durable, sequence, 0);
}

void BusServer::give_back(Durable& durable, std::uint64_t sequence, Time delay) {
  const auto& config = durable.config;
  if (config.max_deliver > 0 &&
      durable.deliveries[sequence] >= static_cast<std::uint64_t>(config.max_deliver)) {
    const nlohmann::json advisory = {{"stream", config.stream},
                                     {"consumer", config.durable},
                                     {"stream_seq", sequence},
                                     {"deliveries", durable.deliveries[sequence]}};
    store("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES." + config.stream + "." + config.durable,
          advisory.dump(), {}, "", std::nullopt);
    return;
  }
  durable.due.emplace(world_.now() + delay, sequence);
  world_.scheduler().at(world_.now() + delay, [this, &durable] { wake(durable); });
}

void BusServer::answer(const std::string& reply, std::string_view what) {
  const auto info = bus::delivery_info(reply);
  if (!info || !durables_.contains(info->consumer)) return;
  Durable& durable = *durables_.at(info->consumer);
  const std::uint64_t sequence = info->stream_sequence;
  const auto in_hand = durable.in_hand.find(sequence);
  if (what == "+ACK" || what == "+TERM") {  // a late one as well: it settles the newer delivery
    if (in_hand != durable.in_hand.end()) durable.in_hand.erase(in_hand);
    std::erase_if(durable.due, [&](const auto& due) { return due.second == sequence; });
    return;
  }
  if (in_hand == durable.in_hand.end() || durable.deliveries[sequence] != info->deliveries) return;
  if (what == "+WPI") {
    in_hand->second.deadline = world_.now() + durable.config.ack_wait;
  } else if (what.starts_with("-NAK")) {
    durable.in_hand.erase(in_hand);
    const auto delay = nlohmann::json::parse(what.substr(4), nullptr, false);
    give_back(durable, sequence, delay.is_object() ? delay.value("delay", Time{0}) : 0);
  }
}

void BusServer::follow(const std::string& stream, const std::string& filter, const void* key) {
  std::erase_if(followers_, [](const Follower& old) { return !old.process->alive; });
  followers_.push_back({stream, filter, key, world_.scheduler().current_process()});
}

void BusServer::unfollow(const void* key) {
  std::erase_if(followers_, [&](const Follower& follower) { return follower.key == key; });
}

void BusServer::on_back(const void* client, std::function<void()> tell) {
  clients_[client] = {world_.scheduler().current_process(), std::move(tell)};
}

void BusServer::forget(const void* client) { clients_.erase(client); }

void BusServer::back() {
  std::vector<std::function<void()>*> alive;
  for (auto& [id, client] : clients_) {
    if (client.first->alive) alive.push_back(&client.second);
  }
  for (auto* tell : alive) (*tell)();
  for (auto& [name, durable] : durables_) wake(*durable);
  for (const Follower& follower : followers_) world_.scheduler().wake_all(follower.key);
}

std::optional<std::string> BusServer::value(const std::string& bucket, const std::string& key) {
  const Stored* stored = last("KV_" + bucket, "$KV." + bucket + "." + key);
  if (stored == nullptr || stored->headers.contains("KV-Operation")) return std::nullopt;
  return stored->data;
}

std::uint64_t BusServer::revision(const std::string& bucket, const std::string& key) {
  const Stored* stored = last("KV_" + bucket, "$KV." + bucket + "." + key);
  return stored == nullptr ? 0 : stored->sequence;
}

std::vector<std::string> BusServer::keys(const std::string& bucket) {
  std::vector<std::string> found;
  for (const auto& [subject, stored] : stream("KV_" + bucket).last) {
    if (stored.headers.contains("KV-Operation")) continue;
    found.push_back(subject.substr(5 + bucket.size()));
  }
  return found;
}

void BusServer::put(const std::string& bucket, const std::string& key, const std::string& value) {
  store("$KV." + bucket + "." + key, value, {}, "", std::nullopt);
}

std::vector<const Stored*> BusServer::in_hand(const std::string& name) const {
  std::vector<const Stored*> found;
  const auto durable = durables_.find(name);
  if (durable == durables_.end()) return found;
  for (const auto& [sequence, in_hand] : durable->second->in_hand) {
    const auto& all = streams_.at(durable->second->config.stream).all;
    if (const auto stored = all.find(sequence); stored != all.end()) {
      found.push_back(&stored->second);
    }
  }
  return found;
}

std::uint64_t BusServer::lost_deliveries(const std::string& name, std::uint64_t sequence) const {
  const auto durable = durables_.find(name);
  if (durable == durables_.end()) return 0;
  const auto lost = durable->second->lost.find(sequence);
  return lost == durable->second->lost.end() ? 0 : lost->second;
}

}  // namespace tunesmith::simulation
