#include "provisioner/slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <set>

namespace tunesmith::provisioner {
namespace {

using ::testing::ElementsAre;

// Asked for by a change, unless `since` tells an older one: a look again.
Claim claim(const std::string& uid, std::int64_t generation = 1, std::int64_t pass = 0,
            std::optional<std::int64_t> since = std::nullopt) {
  Claim result;
  result.uid = uid;
  result.name_space = "default";
  result.name = "w-" + uid;
  result.generation = generation;
  result.pass = pass;
  result.since = since.value_or(pass);
  return result;
}

SlotState machine(std::uint32_t workers) {
  SlotState state;
  state.node = "node";
  state.workers = workers;
  return state;
}

// "ready a#1", "pending b@2#1": what, whose, place, sequence.
std::vector<std::string> said(const Decision& decision) {
  std::vector<std::string> texts;
  for (const auto& one : decision.announcements) {
    const bool ready = one.kind == Announcement::Kind::kReady;
    texts.push_back((ready ? "ready " + one.claim.uid
                           : "pending " + one.claim.uid + "@" + std::to_string(one.claim.place)) +
                    "#" + std::to_string(one.claim.sequence));
  }
  return texts;
}

// The state after everything was announced.
SlotState all_said(Decision decision) {
  for (const auto& one : decision.announcements) {
    decision.state = announced(std::move(decision.state), one);
  }
  return decision.state;
}

TEST(Slots, FirstComeFirstServedAndPlacesAreTold) {
  auto decision =
      next_actions(machine(1), {.releases = {}, .claims = {claim("a"), claim("b"), claim("c")}});
  EXPECT_THAT(said(decision), ElementsAre("ready a#1", "pending b@1#1", "pending c@2#1"));
  decision = next_actions(all_said(decision), {.releases = {{"a", 1, kAnyPass}}, .claims = {}});
  EXPECT_THAT(said(decision), ElementsAre("ready b#1", "pending c@1#2"));
}

TEST(Slots, NothingIsSaidTwiceOnceItWasSaid) {
  const auto state =
      all_said(next_actions(machine(1), {.releases = {}, .claims = {claim("a"), claim("b")}}));
  EXPECT_THAT(said(next_actions(state, {})), ElementsAre());
}

TEST(Slots, WhatACrashKeptFromBeingSaidIsSaidUnderTheSameNumber) {
  const auto decision =
      next_actions(machine(1), {.releases = {}, .claims = {claim("a"), claim("b")}});
  EXPECT_EQ(said(next_actions(decision.state, {})), said(decision));
}

TEST(Slots, ARedeliveredWishRepeatsTheSameNumber) {
  const auto state =
      all_said(next_actions(machine(1), {.releases = {}, .claims = {claim("a"), claim("b")}}));
  EXPECT_THAT(said(next_actions(state, {.releases = {}, .claims = {claim("a"), claim("b")}})),
              ElementsAre("ready a#1", "pending b@1#1"));
}

TEST(Slots, ANewPassIsAnnouncedAnewInThatPass) {
  const auto state =
      all_said(next_actions(machine(1), {.releases = {}, .claims = {claim("a"), claim("b")}}));
  const auto decision =
      next_actions(state, {.releases = {}, .claims = {claim("a", 1, 1000), claim("b", 1, 1000)}});
  EXPECT_THAT(said(decision), ElementsAre("ready a#1", "pending b@1#1"));
  EXPECT_EQ(decision.announcements[0].claim.pass, 1000);
  EXPECT_EQ(decision.announcements[1].claim.pass, 1000);
}

TEST(Slots, AnOlderPassOrGenerationChangesNothing) {
  const auto state =
      all_said(next_actions(machine(1), {.releases = {}, .claims = {claim("a", 2, 1000)}}));
  EXPECT_THAT(said(next_actions(state, {.releases = {}, .claims = {claim("a", 2, 0)}})),
              ElementsAre());
  EXPECT_THAT(said(next_actions(state, {.releases = {}, .claims = {claim("a", 1, 2000)}})),
              ElementsAre());
}

TEST(Slots, ReleasesReachOnlyWhatTheyMean) {
  const auto state =
      all_said(next_actions(machine(1), {.releases = {}, .claims = {claim("a", 2, 1000)}}));
  for (const auto& [release, kept] : std::vector<std::pair<Release, bool>>{
           {{"a", 1, kAnyPass}, true},  // an older generation ended
           {{"a", 2, 999}, true},       // an older pass failed, this is the retry
           {{"b", 2, kAnyPass}, true},  // somebody else
           {{"a", 2, 1000}, false},     //
           {{"a", 3, 0}, false},        // a newer generation
           {{"a", kAnyGeneration, kAnyPass}, false}}) {
    EXPECT_EQ(next_actions(state, {.releases = {release}, .claims = {}}).state.assigned.size(),
              kept ? 1u : 0u)
        << release.uid << release.generation << "/" << release.pass;
  }
}

TEST(Slots, AClaimThatChangedMeanwhileStaysToBeSaid) {
  const auto first = next_actions(machine(1), {.releases = {}, .claims = {claim("a")}});
  const auto second = next_actions(first.state, {.releases = {}, .claims = {claim("a", 1, 1000)}});
  const auto state = announced(second.state, first.announcements[0]);
  EXPECT_THAT(said(next_actions(state, {})), ElementsAre("ready a#1"));
}

TEST(Slots, APassThatEndedIsNotServedAgainButANewOneIs) {
  auto state = all_said(next_actions(machine(1), {.releases = {}, .claims = {claim("a")}}));
  state = next_actions(state, {.releases = {{"a", 1, 0}}, .claims = {}}).state;
  EXPECT_THAT(said(next_actions(state, {.releases = {}, .claims = {claim("a")}})), ElementsAre());
  EXPECT_THAT(said(next_actions(state, {.releases = {}, .claims = {claim("a", 1, 1000)}})),
              ElementsAre("ready a#1"));
  for (int i = 0; i < 1000; ++i) {
    state =
        next_actions(state, {.releases = {{"u" + std::to_string(i), 1, 0}}, .claims = {}}).state;
  }
  EXPECT_EQ(state.ended.size(), 256u);
}

TEST(Slots, ALookAgainLeavesARunningTrainingAlone) {
  auto state =
      all_said(next_actions(machine(1), {.releases = {}, .claims = {claim("a"), claim("b")}}));
  const Wishes again{.releases = {}, .claims = {claim("a", 1, 100, 0), claim("b", 1, 100, 0)}};
  auto decision = next_actions(state, again);
  EXPECT_THAT(said(decision), ElementsAre("pending b@1#1"));  // in the new pass
  // The one training that was asked for fails: the worker goes on, and no look again that was
  // under way asks for the same.
  decision = next_actions(all_said(decision), {.releases = {{"a", 1, 0}}, .claims = {}});
  EXPECT_THAT(said(decision), ElementsAre("ready b#1"));
  decision =
      next_actions(all_said(decision),
                   {.releases = {}, .claims = {claim("a", 1, 100, 0), claim("b", 1, 101, 0)}});
  EXPECT_THAT(said(decision), ElementsAre());
  decision = next_actions(decision.state, {.releases = {{"b", 1, 0}}, .claims = {}});
  EXPECT_TRUE(decision.state.assigned.empty());
  EXPECT_THAT(said(next_actions(decision.state, {.releases = {}, .claims = {claim("a", 1, 200)}})),
              ElementsAre("ready a#1"));
}

// NodesReady was lost with the bus's machine, or killed its workers until it was a dead letter.
TEST(Slots, ALookAgainIsToldAgainWhenNoWorkerIsAtIt) {
  const auto state = all_said(next_actions(machine(1), {.releases = {}, .claims = {claim("a")}}));
  Claim again = claim("a", 1, 100, 0);
  again.unattended = true;
  EXPECT_THAT(said(next_actions(state, {.releases = {}, .claims = {again}})),
              ElementsAre("ready a#1"));
}

TEST(Slots, ALookAgainTellsWhatACrashKeptFromBeingSaid) {
  const auto state = next_actions(machine(1), {.releases = {}, .claims = {claim("a")}}).state;
  EXPECT_THAT(said(next_actions(state, {.releases = {}, .claims = {claim("a", 1, 100, 0)}})),
              ElementsAre("ready a#1"));
}

// Changes, looks again and failures in any order: one training per change, none after its failure.
TEST(Slots, WhateverIsLookedAtAgainIsTrainedOncePerChange) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](int count) { return static_cast<int>(random() % count); };
    SlotState state = machine(static_cast<std::uint32_t>(1 + pick(2)));
    std::map<std::string, std::int64_t> changed;
    std::set<std::string> alive;
    std::map<std::string, int> trained;  // by uid and change
    for (int step = 1; step <= 80; ++step) {
      const std::string uid(1, static_cast<char>('a' + pick(4)));
      Wishes wishes;
      const int what = pick(4);
      if (what == 0 || !changed.contains(uid)) {
        changed[uid] = step;
        wishes.claims = {claim(uid, 1, step)};
        alive.insert(uid);
      } else if (what <= 2) {
        wishes.claims = {claim(uid, 1, step, changed[uid])};
      } else if (!state.assigned.empty()) {
        const Claim& fails = state.assigned.front();
        wishes.releases = {{fails.uid, 1, fails.pass}};
        alive.erase(fails.uid);
      }
      const Decision decision = next_actions(state, wishes);
      for (const auto& one : decision.announcements) {
        if (one.kind == Announcement::Kind::kReady) {
          ++trained[one.claim.uid + "/" + std::to_string(one.claim.since)];
        }
      }
      state = all_said(decision);
      std::set<std::string> held;
      for (const auto* claims : {&state.assigned, &state.waiting}) {
        for (const Claim& one : *claims) held.insert(one.uid);
      }
      EXPECT_EQ(held, alive) << "seed " << seed << ", step " << step;
    }
    for (const auto& [change, times] : trained) {
      EXPECT_EQ(times, 1) << "seed " << seed << ": " << change;
    }
  }
}

TEST(Slots, FewerWorkersLetTheAssignedFinish) {
  auto state = all_said(
      next_actions(machine(2), {.releases = {}, .claims = {claim("a"), claim("b"), claim("c")}}));
  state.workers = 1;
  auto decision = next_actions(state, {.releases = {{"a", 1, 0}}, .claims = {}});
  EXPECT_THAT(said(decision), ElementsAre());
  decision = next_actions(decision.state, {.releases = {{"b", 1, 0}}, .claims = {}});
  EXPECT_THAT(said(decision), ElementsAre("ready c#1"));
}

TEST(Slots, JsonKeepsEverything) {
  auto state = all_said(
      next_actions(machine(1), {.releases = {}, .claims = {claim("a", 3, 7), claim("b")}}));
  state.memory_bytes_per_worker = 1ull << 40;
  state.ended = {{"c", 1, 5}};
  state.assigned[0].traceparent = "00-ab-cd-01";
  const auto read = slot_state_from_json(to_json(state));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, state);
  for (const char* wrong : {"", "[]", "{}", R"({"node":"n","workers":"1"})"}) {
    EXPECT_EQ(slot_state_from_json(wrong).error().reason, "InventoryUndecodable") << wrong;
  }
}

// Whole histories from a seed: crashes anywhere, wishes in any order, redelivered or not.
TEST(Slots, WhateverHappensTheRulesHold) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](int count) { return static_cast<int>(random() % count); };
    const auto workers = static_cast<std::uint32_t>(1 + pick(3));
    SlotState state = machine(workers);
    std::set<std::string> alive;
    std::map<std::string, std::set<std::string>>
        told;  // id → contents: one id never says two things
    for (int step = 0; step < 60; ++step) {
      Wishes wishes;
      const std::string uid(1, static_cast<char>('a' + pick(6)));
      if (pick(3) != 0) {
        wishes.claims = {claim(uid, 1, step)};
        alive.insert(uid);
      } else {
        wishes.releases = {{uid, kAnyGeneration, kAnyPass}};
        alive.erase(uid);
      }
      Decision decision = next_actions(state, wishes);
      state = decision.state;
      for (const auto& one : decision.announcements) {
        const bool ready = one.kind == Announcement::Kind::kReady;
        told[one.claim.uid + "/" + std::to_string(one.claim.pass) + (ready ? "/r/" : "/p/") +
             std::to_string(one.claim.sequence)]
            .insert(std::to_string(one.claim.place));
        if (pick(4) != 0) {  // else a crash between publishing and recording
          state = announced(std::move(state), one);
        }
      }
      std::set<std::string> held;
      for (const auto* claims : {&state.assigned, &state.waiting}) {
        for (const Claim& one : *claims) {
          EXPECT_TRUE(held.insert(one.uid).second) << "seed " << seed;
        }
      }
      EXPECT_EQ(held, alive) << "seed " << seed;
      EXPECT_LE(state.assigned.size(), workers);
      EXPECT_TRUE(state.waiting.empty() || state.assigned.size() == workers) << "seed " << seed;
    }
    for (const auto& [id, meanings] : told) {
      EXPECT_EQ(meanings.size(), 1u) << "seed " << seed << ": " << id;
    }
    state = all_said(next_actions(state, {}));
    EXPECT_TRUE(next_actions(state, {}).announcements.empty());
    for (const auto& one : state.assigned) {
      EXPECT_TRUE(one.announced);
    }
  }
}

}  // namespace
}  // namespace tunesmith::provisioner
