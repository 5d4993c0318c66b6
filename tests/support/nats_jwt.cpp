#include "nats_jwt.h"

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "bus/base64url.h"

namespace tunesmith::testing {
namespace {

using PrivateKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// CRC-16/XMODEM, as nkeys appends it, low byte first.
std::string with_checksum(std::string bytes) {
  std::uint16_t crc = 0;
  for (const char c : bytes) {
    crc = static_cast<std::uint16_t>(crc ^ static_cast<unsigned char>(c) << 8);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<std::uint16_t>((crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1);
    }
  }
  bytes += static_cast<char>(crc & 0xff);
  bytes += static_cast<char>(crc >> 8);
  return bytes;
}

// RFC 4648 section 6, without padding.
std::string base32(const std::string& bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string text;
  std::uint32_t buffer = 0;
  int bits = 0;
  for (const char c : bytes) {
    buffer = (buffer << 8 | static_cast<unsigned char>(c)) & 0xffff;
    for (bits += 8; bits >= 5; bits -= 5) text += kDigits[buffer >> (bits - 5) & 31];
  }
  if (bits > 0) text += kDigits[buffer << (5 - bits) & 31];
  return text;
}

unsigned prefix_of(NatsKeyKind kind) {
  switch (kind) {
    case NatsKeyKind::kOperator:
      return 14U << 3;
    case NatsKeyKind::kAccount:
      return 0;
    case NatsKeyKind::kUser:
      return 20U << 3;
  }
  throw std::invalid_argument("no such kind of key");
}

std::string base64url_unpadded(const std::string& bytes) {
  std::string text = bus::to_base64url(bytes);
  while (!text.empty() && text.back() == '=') text.pop_back();
  return text;
}

const unsigned char* as_bytes(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

PrivateKey private_key_of(const std::string& raw_seed) {
  return {
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, as_bytes(raw_seed), raw_seed.size()),
      EVP_PKEY_free};
}

std::string sign(const NatsKey& key, const std::string& text) {
  const PrivateKey secret = private_key_of(key.raw_seed);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  std::string signature(64, '\0');
  std::size_t length = signature.size();
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, secret.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length,
                     as_bytes(text), text.size()) != 1) {
    throw std::runtime_error("cannot sign");
  }
  return signature;
}

}  // namespace

NatsKey make_nats_key(NatsKeyKind kind) {
  EVP_PKEY* raw = nullptr;
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr), EVP_PKEY_CTX_free);
  if (EVP_PKEY_keygen_init(context.get()) != 1 || EVP_PKEY_keygen(context.get(), &raw) != 1) {
    throw std::runtime_error("cannot make a key");
  }
  const PrivateKey key(raw, EVP_PKEY_free);
  std::string seed(32, '\0'), open(32, '\0');
  std::size_t length = 32;
  EVP_PKEY_get_raw_private_key(key.get(), reinterpret_cast<unsigned char*>(seed.data()), &length);
  EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(open.data()), &length);
  const unsigned prefix = prefix_of(kind);
  const std::string seed_prefix = {static_cast<char>(18U << 3 | prefix >> 5),
                                   static_cast<char>((prefix & 31U) << 3)};
  return {.public_key = base32(with_checksum(static_cast<char>(prefix) + open)),
          .seed = base32(with_checksum(seed_prefix + seed)),
          .raw_seed = seed};
}

std::string make_nats_jwt(const NatsKey& issuer, const std::string& subject,
                          const std::string& name, const nlohmann::json& nats) {
  const nlohmann::json header = {{"typ", "JWT"}, {"alg", "ed25519-nkey"}};
  const nlohmann::json claims = {{"jti", name},  {"iat", 1'700'000'000}, {"iss", issuer.public_key},
                                 {"name", name}, {"sub", subject},       {"nats", nats}};
  const std::string text =
      base64url_unpadded(header.dump()) + "." + base64url_unpadded(claims.dump());
  return text + "." + base64url_unpadded(sign(issuer, text));
}

std::string make_nats_creds(const std::string& user_jwt, const NatsKey& user) {
  return "-----BEGIN NATS USER JWT-----\n" + user_jwt +
         "\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n" + user.seed +
         "\n------END USER NKEY SEED------\n";
}

}  // namespace tunesmith::testing
