// The simulated nats-server: streams, buckets, durable consumers and objects, with JetStream's
// semantics and the faults of the history.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bus/cloud_event.h"
#include "bus/nats_message.h"
#include "simulation/scheduler.h"

namespace tunesmith::simulation {

class World;

struct Stored {
  std::string subject{}, data{};
  bus::Headers headers{};
  std::uint64_t sequence = 0;
  Time time = 0;
};

// One stream. A bucket keeps the last message of each subject, the others all of them.
struct Stream {
  std::string name;
  bool bucket = false;
  std::uint64_t last_sequence = 0;
  std::map<std::string, Stored> last{};   // buckets, by subject
  std::map<std::uint64_t, Stored> all{};  // events and objects, by sequence
  std::unordered_map<std::string, std::pair<Time, std::uint64_t>> ids{};  // duplicate window
};

struct ConsumerConfig {
  std::string stream{}, durable{}, filter{};
  Time ack_wait = 30 * kSecond;
  std::int64_t max_deliver = 5;
};

enum class StoreCode { kStored, kDuplicate, kWrongLastSequence };

class BusServer {
 public:
  explicit BusServer(World& world);
  ~BusServer();

  // What the clients ask. All of it is instantaneous: the way to the server is the caller's matter.
  struct StoreAnswer {
    StoreCode code = StoreCode::kStored;
    std::uint64_t sequence = 0;
  };
  StoreAnswer store(const std::string& subject, std::string data, bus::Headers headers,
                    const std::string& id, std::optional<std::uint64_t> expected_last);
  const Stored* last(const std::string& stream, const std::string& subject);
  const Stored* message(const std::string& stream, std::uint64_t sequence);
  // The first message after `sequence` that matches; for a bucket in the order of the last changes.
  const Stored* next_after(const std::string& stream, const std::string& filter,
                           std::uint64_t sequence);
  void ensure_consumer(const ConsumerConfig& config);

  // One pulling client of a durable. `wake` is called when there may be something to fetch.
  void join(const std::string& durable, const void* session, std::function<void()> wake);
  void leave(const std::string& durable, const void* session);
  std::optional<bus::Message> fetch(const std::string& durable, const void* session);
  bool holds_any(const std::string& durable, const void* session) const;
  // "+ACK", "+TERM", "+WPI", "-NAK {…}" to the reply subject of a delivery.
  void answer(const std::string& reply, std::string_view what);

  // Whoever follows a stream is woken by `key` when something that matches is stored.
  void follow(const std::string& stream, const std::string& filter, const void* key);
  void unfollow(const void* key);

  // Clients that want to hear of the end of an outage.
  void on_back(const void* client, std::function<void()> tell);
  void forget(const void* client);
  void back();  // tells them

  // Streams that come and go: the object stores.
  bool exists(const std::string& stream) const;
  void create(const std::string& stream);
  bool remove(const std::string& stream);  // false when there was none
  void purge(const std::string& stream, const std::string& subject);
  std::vector<std::string> names() const;
  std::map<std::string, std::uint64_t> subjects(const std::string& stream,
                                                const std::string& filter);  // → messages
  Time last_time(const std::string& stream);
  static std::string stream_name_of(const std::string& subject);

  // For checks and for the person: the state, without any way to it.
  std::optional<std::string> value(const std::string& bucket, const std::string& key);
  std::uint64_t revision(const std::string& bucket, const std::string& key);
  std::vector<std::string> keys(const std::string& bucket);
  void put(const std::string& bucket, const std::string& key, const std::string& value);
  // Messages of this durable that a client has in hand.
  std::vector<const Stored*> in_hand(const std::string& durable) const;
  // Deliveries of a message that ended because the process that had it in hand died or stood still.
  std::uint64_t lost_deliveries(const std::string& durable, std::uint64_t sequence) const;
  // Called after each message is stored (not for duplicates).
  std::function<void(const Stream&, const Stored&)> on_stored;

 private:
  struct Durable;
  Stream& stream(const std::string& name);
  void offer(Durable& durable, const Stored& stored);
  void wake(Durable& durable);
  void expire(Durable& durable, std::uint64_t sequence, std::uint64_t deliveries);
  void give_back(Durable& durable, std::uint64_t sequence, Time delay);

  World& world_;
  std::map<std::string, Stream> streams_;
  std::map<std::string, std::unique_ptr<Durable>> durables_;
  struct Follower {
    std::string stream, filter;
    const void* key;
    Process* process;
  };
  std::vector<Follower> followers_;
  std::map<const void*, std::pair<Process*, std::function<void()>>> clients_;
};

}  // namespace tunesmith::simulation
