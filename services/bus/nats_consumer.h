// A durable consumer: pulls, decodes, runs handlers per uid in order, and says to the server what
// came of them. Internal to bus/.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "bus/connection.h"
#include "bus/dead_letter.h"
#include "bus/keyed_executor.h"
#include "bus/pull_loop.h"

namespace tunesmith::bus {

// Which stream a consumer reads and how a message of it becomes an event: the events, or the bus's
// own streams.
struct ConsumerSource {
  std::string stream{}, durable{}, filter{};
};

class NatsConsumer final : public Consumer {
 public:
  // `client` outlives it. The durable exists when it returns.
  static Result<std::unique_ptr<Consumer>> start(NatsClient& client, ConsumerSource source,
                                                 const ConsumerOptions& options,
                                                 EventHandler handler);
  ~NatsConsumer() override;
  ConsumerStats stats() const override;

 private:
  using Time = std::chrono::steady_clock::time_point;
  // A delivery from its arrival until the server was told what came of it.
  struct Delivery {
    Message message;
    IncomingEvent event{};
    std::string reply{};  // of the newest delivery of this message
    Time run_at{};        // handlers that asked for a later try: when
    bool waiting = false;
  };
  using DeliveryPtr = std::shared_ptr<Delivery>;

  NatsConsumer(NatsClient& client, ConsumerSource source, ConsumerOptions options,
               EventHandler handler);
  Result<void> ensure_durable();
  void accept(Message message);
  void submit(const DeliveryPtr& delivery);
  void handle(const DeliveryPtr& delivery);
  Result<std::uint64_t> deaths_before(const IncomingEvent& event);
  Disposition run_handler(const IncomingEvent& event, std::uint64_t deaths);
  void settle(const DeliveryPtr& delivery, const Disposition& disposition);
  void bury(const DeliveryPtr& delivery, const Failure& failure);
  void hold(const DeliveryPtr& delivery, std::chrono::milliseconds delay);
  void close(const DeliveryPtr& delivery, const std::string& answer);
  void hand_back(const std::string& reply);
  bool wants_more() const;
  Time on_time(Time now);

  NatsClient& client_;
  const ConsumerSource source_;
  const ConsumerOptions options_;
  const EventHandler handler_;
  std::stop_source stop_;

  mutable std::mutex mutex_;
  std::map<std::uint64_t, DeliveryPtr> open_;  // by stream sequence
  std::size_t waiting_ = 0;                    // of them for a later try
  Time tick_at_{};
  ConsumerStats stats_;

  std::unique_ptr<PullLoop> pull_;
  std::unique_ptr<KeyedExecutor> executor_;
  std::thread thread_;
};

}  // namespace tunesmith::bus
