// SlotState as JSON.
#include <nlohmann/json.hpp>

#include "provisioner/slots.h"

namespace tunesmith::provisioner {
namespace {

using nlohmann::json;

json to_value(const Claim& claim) {
  return {{"uid", claim.uid},           {"namespace", claim.name_space},
          {"name", claim.name},         {"generation", claim.generation},
          {"pass", claim.pass},         {"traceparent", claim.traceparent},
          {"sequence", claim.sequence}, {"announced", claim.announced},
          {"place", claim.place},       {"since", claim.since}};
}

Claim claim_of(const json& value) {
  Claim claim;
  claim.uid = value.at("uid").get<std::string>();
  claim.name_space = value.at("namespace").get<std::string>();
  claim.name = value.at("name").get<std::string>();
  claim.generation = value.at("generation").get<std::int64_t>();
  claim.pass = value.at("pass").get<std::int64_t>();
  claim.since = value.value("since", claim.pass);
  claim.traceparent = value.value("traceparent", "");
  claim.sequence = value.at("sequence").get<std::uint64_t>();
  claim.announced = value.at("announced").get<bool>();
  claim.place = value.at("place").get<std::uint32_t>();
  return claim;
}

json to_list(const std::vector<Claim>& claims) {
  json list = json::array();
  for (const Claim& claim : claims) {
    list.push_back(to_value(claim));
  }
  return list;
}

std::vector<Claim> claims_of(const json& list) {
  std::vector<Claim> claims;
  for (const auto& value : list) {
    claims.push_back(claim_of(value));
  }
  return claims;
}

}  // namespace

std::string to_json(const SlotState& state) {
  json ended = json::array();
  for (const Release& end : state.ended) {
    ended.push_back({{"uid", end.uid}, {"generation", end.generation}, {"pass", end.pass}});
  }
  return json{{"node", state.node},
              {"provider", "local"},
              {"workers", state.workers},
              {"memory_bytes_per_worker", state.memory_bytes_per_worker},
              {"assigned", to_list(state.assigned)},
              {"waiting", to_list(state.waiting)},
              {"ended", std::move(ended)}}
      .dump();
}

Result<SlotState> slot_state_from_json(const std::string& text) {
  try {
    const json value = json::parse(text);
    SlotState state;
    state.node = value.at("node").get<std::string>();
    state.workers = value.at("workers").get<std::uint32_t>();
    state.memory_bytes_per_worker = value.at("memory_bytes_per_worker").get<std::uint64_t>();
    state.assigned = claims_of(value.at("assigned"));
    state.waiting = claims_of(value.at("waiting"));
    for (const auto& end : value.at("ended")) {
      state.ended.push_back({end.at("uid").get<std::string>(),
                             end.at("generation").get<std::int64_t>(),
                             end.at("pass").get<std::int64_t>()});
    }
    return state;
  } catch (const json::exception& error) {
    return permanent("InventoryUndecodable",
                     std::string("an entry of the bucket inventory is not what the provisioner "
                                 "writes: ") +
                         error.what());
  }
}

}  // namespace tunesmith::provisioner
