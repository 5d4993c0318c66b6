// Keys and tokens of NATS's decentralised authentication, made by the test itself: what `nsc` makes
// for operators. Formats: nkeys (github.com/nats-io/nkeys) and jwt v2 (github.com/nats-io/jwt).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tunesmith::testing {

enum class NatsKeyKind { kOperator, kAccount, kUser };

// An Ed25519 key pair.
struct NatsKey {
  std::string public_key;  // "O…", "A…", "U…"
  std::string seed;        // "SO…", "SA…", "SU…"
  std::string raw_seed;    // 32 bytes
};
NatsKey make_nats_key(NatsKeyKind kind);

// A token about `subject`, signed by `issuer`; `nats` is the part that differs by kind.
std::string make_nats_jwt(const NatsKey& issuer, const std::string& subject,
                          const std::string& name, const nlohmann::json& nats);

// The content of a .creds file.
std::string make_nats_creds(const std::string& user_jwt, const NatsKey& user);

}  // namespace tunesmith::testing
