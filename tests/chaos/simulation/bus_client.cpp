// Stands in for the three files of bus/ that know sockets and pull requests: connecting
// (nats_client_open.cpp), the pull protocol (pull_loop.cpp) and reading in order
// (ordered_reader.cpp). Retries, compare-and-set, consumers, dead letters, leases and object stores
// above them are the services' own code.
#include "bus/nats_client.h"
#include "bus/ordered_reader.h"
#include "bus/pull_loop.h"
#include "runtime/retry.h"
#include "simulation/world.h"

namespace tunesmith::bus {

using simulation::kMillisecond;
using simulation::kNever;
using simulation::scheduler;
using simulation::Stored;
using simulation::Time;
using simulation::world;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

Result<std::unique_ptr<NatsClient>> NatsClient::open(const ConnectionOptions& options,
                                                     const Log& log, std::stop_token stop) {
  std::unique_ptr<NatsClient> client(new NatsClient(log, std::move(stop)));
  world()->before("connecting");
  const auto deadline = steady_clock::now() + options.connect_timeout;
  while (!world()->bus_is_up()) {
    if (steady_clock::now() >= deadline || !wait_for(milliseconds(500), client->stop_)) {
      return transient("BusUnavailable", "no NATS server answers");
    }
  }
  NatsClient* self = client.get();
  world()->bus().on_back(self, [self] { self->changed("connected again", true); });
  return client;
}

NatsClient::~NatsClient() { world()->bus().forget(this); }

bool NatsClient::connected() const { return world()->bus_is_up() || world()->weather().bus_stalls; }

PullLoop::PullLoop(NatsClient& client, PullOptions options, Hooks hooks)
    : client_(client),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      mailbox_(std::make_shared<Mailbox>()),
      heard_at_(steady_clock::now()) {}

PullLoop::~PullLoop() { world()->bus().leave(options_.durable, this); }

milliseconds PullLoop::since_last_round_trip() const { return milliseconds(0); }

void PullLoop::run(std::stop_token stop) {
  auto& server = world()->bus();
  server.join(options_.durable, this, [mailbox = mailbox_.get()] { mailbox->wake(); });
  while (!stop.stop_requested()) {
    auto next = hooks_.on_time(steady_clock::now());
    if (hooks_.wants_more() && world()->bus_is_up()) {
      if (auto message = server.fetch(options_.durable, this)) {
        hooks_.on_message(std::move(*message));
        continue;
      }
    }
    // Nothing in hand, nothing to keep alive: woken when something comes.
    if (!server.holds_any(options_.durable, this)) next = steady_clock::time_point::max();
    mailbox_->wait_until(next, stop);
  }
}

OrderedReader::OrderedReader(NatsClient& client, Options options)
    : client_(client), options_(std::move(options)) {
  world()->bus().follow(options_.stream, options_.filter, this);
}

OrderedReader::~OrderedReader() { world()->bus().unfollow(this); }

Result<std::optional<StoredMessage>> OrderedReader::next(bool follow, std::stop_token stop) {
  auto& server = world()->bus();
  const std::stop_callback woken(stop, [this] { scheduler()->wake_all(this); });
  auto deadline = world()->now() + NatsClient::kPatience.count() * kMillisecond;
  if (last_sequence_ == 0) world()->before("following " + options_.stream);
  while (true) {
    if (stop.stop_requested()) {
      if (follow) return std::nullopt;
      return transient("Stopped", "stopped while reading " + options_.stream);
    }
    if (!world()->bus_is_up()) {
      if (!follow && !options_.keep_trying && world()->now() >= deadline) {
        return transient("BusUnavailable", "reading " + options_.stream + ": no answer from NATS");
      }
      scheduler()->block(this, world()->now() + 500 * kMillisecond);
      continue;
    }
    if (!server.exists(options_.stream)) {
      return permanent("BusNotInitialised", "no stream " + options_.stream);
    }
    const Stored* found = server.next_after(options_.stream, options_.filter, last_sequence_);
    if (found == nullptr) {
      if (!follow) return std::nullopt;
      scheduler()->block(this, kNever);
      scheduler()->sleep(world()->lag());  // news takes its time
      continue;
    }
    last_sequence_ = found->sequence;
    return StoredMessage{.message = {.subject = found->subject,
                                     .reply = {},
                                     .data = found->data,
                                     .headers = found->headers},
                         .sequence = found->sequence,
                         .time_ns = simulation::kWallBegin + found->time,
                         .pending = 0};
  }
}

}  // namespace tunesmith::bus
