// A service for nats_bus_test to kill: consumes one event, says so on standard output, and never
// answers.
//   bus_test_child URL TOKEN ACK_WAIT_MS MAX_DELIVER MAX_HAND_BACKS
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "bus/connection.h"
#include "runtime/retry.h"

int main(int argc, char** argv) {
  using namespace tunesmith;
  if (argc != 6) return 2;
  const Log log = Log::silent();
  auto connection = bus::Connection::open({.url = argv[1], .name = "child"}, log, {});
  if (!connection) return 1;
  const bus::ConsumerOptions options{.service = "test",
                                     .token = argv[2],
                                     .ack_wait = std::chrono::milliseconds(std::atoi(argv[3])),
                                     .max_deliver = std::atoi(argv[4]),
                                     .max_hand_backs = std::atoi(argv[5])};
  auto consumer =
      (*connection)->consume(options, [](const bus::IncomingEvent& event, std::stop_token stop) {
        std::printf("%s %llu\n", event.id.c_str(),
                    static_cast<unsigned long long>(event.deliveries));
        std::fflush(stdout);
        wait_for(std::chrono::hours(1), std::move(stop));
        return bus::Disposition::hand_back();
      });
  if (!consumer) return 1;
  wait_for(std::chrono::hours(1), {});
  return 0;
}
