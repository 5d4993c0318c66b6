#include "provisioner/slots.h"

#include <algorithm>

namespace tunesmith::provisioner {
namespace {

Claim* find(std::vector<Claim>& claims, const std::string& uid) {
  const auto found = std::find_if(claims.begin(), claims.end(),
                                  [&](const Claim& claim) { return claim.uid == uid; });
  return found == claims.end() ? nullptr : &*found;
}

constexpr std::size_t kMostEnded = 256;

bool covers(const Release& wish, const Claim& claim) {
  return claim.uid == wish.uid &&
         std::pair(claim.generation, claim.since) <= std::pair(wish.generation, wish.pass);
}

void release(SlotState& state, const Release& wish) {
  const auto covered = [&](const Claim& claim) { return covers(wish, claim); };
  std::erase_if(state.assigned, covered);
  std::erase_if(state.waiting, covered);
  if (wish.pass == kAnyPass) {
    return;  // not the end of a pass, but of whatever is held now
  }
  std::erase(state.ended, wish);
  state.ended.push_back(wish);
  if (state.ended.size() > kMostEnded) {
    state.ended.erase(state.ended.begin());
  }
}

// The new wish in the place of the old one. Asked in a newer pass, it is told under new ids; asked
// again in the same pass (a redelivery), the same is told again under the same id, which the bus
// drops.
void renew(Claim& known, const Claim& wish) {
  const auto order = [](const Claim& claim) { return std::pair(claim.generation, claim.pass); };
  if (order(wish) < order(known)) {
    return;
  }
  const bool runs = known.place == 0 && known.announced;
  const bool looks_again =
      wish.generation == known.generation && wish.since <= known.since && wish.pass != known.pass;
  // A second NodesReady would train once more what fails meanwhile. But when no worker is at it,
  // the first one is lost, or ended in the dead letters.
  if (runs && looks_again && !wish.unattended) {
    return;
  }
  if (order(known) < order(wish)) {
    known = wish;
    known.sequence = 0;
    known.place = 0;
    known.unattended = false;
  }
  known.announced = false;
}

void claim(SlotState& state, const Claim& wish) {
  const bool ended = std::any_of(state.ended.begin(), state.ended.end(),
                                 [&](const Release& end) { return covers(end, wish); });
  if (ended) {
    return;
  }
  if (Claim* known = find(state.assigned, wish.uid)) {
    renew(*known, wish);
  } else if (Claim* waits = find(state.waiting, wish.uid)) {
    renew(*waits, wish);
  } else {
    state.waiting.push_back(wish);
    state.waiting.back().sequence = 0;
    state.waiting.back().place = 0;
    state.waiting.back().unattended = false;
  }
}

void fill(SlotState& state) {
  while (state.assigned.size() < state.workers && !state.waiting.empty()) {
    state.assigned.push_back(state.waiting.front());
    state.assigned.back().sequence = 0;  // counts assignments from here on
    state.waiting.erase(state.waiting.begin());
  }
}

// Numbers are given before anything is said, so that no number is ever said with two meanings,
// whenever the process dies.
void number(SlotState& state) {
  for (Claim& claim : state.assigned) {
    if (claim.sequence == 0) {
      claim.sequence = 1;
      claim.place = 0;
      claim.announced = false;
    }
  }
  for (std::size_t i = 0; i < state.waiting.size(); ++i) {
    Claim& claim = state.waiting[i];
    const auto place = static_cast<std::uint32_t>(i + 1);
    if (claim.place != place) {
      ++claim.sequence;
      claim.place = place;
      claim.announced = false;
    }
  }
}

std::vector<Announcement> unsaid(const SlotState& state) {
  std::vector<Announcement> result;
  for (const Claim& claim : state.assigned) {
    if (!claim.announced) {
      result.push_back({Announcement::Kind::kReady, claim});
    }
  }
  for (const Claim& claim : state.waiting) {
    if (!claim.announced) {
      result.push_back({Announcement::Kind::kPending, claim});
    }
  }
  return result;
}

}  // namespace

events::v1::WorkspaceRef Claim::workspace() const {
  events::v1::WorkspaceRef ref;
  ref.set_uid(uid);
  ref.set_namespace_(name_space);
  ref.set_name(name);
  ref.set_generation(generation);
  ref.set_pass(pass);
  return ref;
}

Decision next_actions(SlotState state, const Wishes& wishes) {
  for (const Release& wish : wishes.releases) {
    release(state, wish);
  }
  for (const Claim& wish : wishes.claims) {
    claim(state, wish);
  }
  fill(state);
  number(state);
  auto announcements = unsaid(state);
  return {std::move(state), std::move(announcements)};
}

SlotState announced(SlotState state, const Announcement& done) {
  const bool ready = done.kind == Announcement::Kind::kReady;
  Claim* claim = find(ready ? state.assigned : state.waiting, done.claim.uid);
  if (claim != nullptr && claim->generation == done.claim.generation &&
      claim->pass == done.claim.pass && claim->sequence == done.claim.sequence) {
    claim->announced = true;
  }
  return state;
}

}  // namespace tunesmith::provisioner
