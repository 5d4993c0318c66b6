// What the tests against real servers share: a server, connections to it, events, and waiting for
// what handlers saw.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bus/connection.h"
#include "bus/topology.h"
#include "nats_server.h"
#include "tunesmith/events/v1/planning.pb.h"

namespace tunesmith::bus {

inline constexpr std::chrono::seconds kSoon{60};  // for what happens at once on an idle machine

// Strings that threads report and the test waits for.
class Seen {
 public:
  void add(const std::string& what) {
    const std::scoped_lock lock(mutex_);
    all_.push_back(what);
    ++count_[what];
    changed_.notify_all();
  }
  // Until `different` different strings are there.
  bool wait_for(std::size_t different, std::chrono::milliseconds limit = kSoon) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return count_.size() >= different; });
  }
  bool wait_for(const std::string& what, std::chrono::milliseconds limit = kSoon) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return count_.contains(what); });
  }
  std::vector<std::string> all() const {
    const std::scoped_lock lock(mutex_);
    return all_;
  }
  std::size_t times(const std::string& what) const {
    const std::scoped_lock lock(mutex_);
    const auto found = count_.find(what);
    return found == count_.end() ? 0 : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> all_;
  std::map<std::string, std::size_t> count_;
};

inline OutgoingEvent planned(const std::string& uid, std::int64_t pass = 0) {
  events::v1::TuningPlanned event;
  event.mutable_workspace()->set_uid(uid);
  event.mutable_workspace()->set_generation(1);
  event.mutable_workspace()->set_pass(pass);
  return make_event(event);
}

class NatsBusTest : public ::testing::TestWithParam<testing::NatsBinary> {
 protected:
  std::unique_ptr<Connection> connect(const std::string& name = "test") {
    auto connection = Connection::open({.url = server_.url(), .name = name}, log_, {});
    if (!connection) throw std::runtime_error(connection.error().message);
    return std::move(*connection);
  }
  // Connected, with all streams and buckets.
  std::unique_ptr<Connection> ready() {
    auto connection = connect();
    if (auto made = init_topology(*connection, {}); !made) {
      throw std::runtime_error(made.error().message);
    }
    return connection;
  }
  std::unique_ptr<KeyValue> key_value(Connection& connection, const char* name) {
    auto bucket = connection.key_value(name);
    if (!bucket) throw std::runtime_error(bucket.error().message);
    return std::move(*bucket);
  }
  std::vector<IncomingEvent> history(Connection& connection, const std::string& uid = "") {
    std::vector<IncomingEvent> events;
    const auto read = connection.read_events(uid, false,
                                             [&](const IncomingEvent& event) {
                                               events.push_back(event);
                                               return true;
                                             },
                                             {});
    if (!read) throw std::runtime_error(read.error().message);
    return events;
  }

  testing::NatsServer server_{GetParam()};
  Log log_ = Log::silent();
};

inline std::string binary_name(const ::testing::TestParamInfo<testing::NatsBinary>& info) {
  return info.param.name;
}

}  // namespace tunesmith::bus
