#include "provisioner/local_machine.h"

#include "bus/current.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::provisioner {
namespace {

events::v1::NodesReady ready_event(const Announcement& announcement, const events::v1::Plan& plan,
                                   const std::string& node) {
  events::v1::NodesReady ready;
  *ready.mutable_workspace() = announcement.claim.workspace();
  *ready.mutable_plan() = plan;
  ready.add_nodes()->set_name(node);  // no devices: the CPU
  ready.set_sequence(announcement.claim.sequence);
  return ready;
}

events::v1::NodesPending pending_event(const Announcement& announcement, std::uint32_t workers) {
  events::v1::NodesPending pending;
  *pending.mutable_workspace() = announcement.claim.workspace();
  *pending.mutable_waiting() = bus::to_proto(
      {FailureClass::kTransient, "NoFreeWorker",
       "all " + std::to_string(workers) + " workers of this machine are busy, place " +
           std::to_string(announcement.claim.place) + " in the queue"});
  pending.set_queue_position(announcement.claim.place);
  pending.set_sequence(announcement.claim.sequence);
  return pending;
}

}  // namespace

Result<LocalMachine::Stored> LocalMachine::load() {
  const auto entry = parts_.inventory.get(parts_.node);
  if (!entry) {
    return tl::unexpected(entry.error());
  }
  Stored stored;
  if (*entry) {
    stored.revision = (*entry)->revision;
    auto state = slot_state_from_json((*entry)->value);
    if (!state) {
      return tl::unexpected(state.error());
    }
    stored.state = *std::move(state);
  }
  stored.state.node = parts_.node;
  stored.state.workers = parts_.workers;
  stored.state.memory_bytes_per_worker = parts_.memory_bytes_per_worker;
  return stored;
}

Result<SlotState> LocalMachine::change(const std::function<SlotState(SlotState)>& edit) {
  while (true) {
    const auto stored = load();
    if (!stored) {
      return tl::unexpected(stored.error());
    }
    SlotState next = edit(stored->state);
    const std::string json = to_json(next);
    const auto written = stored->revision == 0
                             ? parts_.inventory.create(parts_.node, json)
                             : parts_.inventory.update(parts_.node, json, stored->revision);
    if (written) {
      return next;
    }
    const std::string& reason = written.error().reason;
    if (reason != "RevisionConflict" && reason != "KeyExists") {
      return tl::unexpected(written.error());
    }
  }
}

Result<void> LocalMachine::apply(const Wishes& wishes) {
  Decision decision;
  const auto state = change([&](SlotState before) {
    decision = next_actions(std::move(before), wishes);
    return decision.state;
  });
  if (!state) {
    return tl::unexpected(state.error());
  }
  parts_.metrics.slots(state->assigned.size(), state->waiting.size());
  for (const Announcement& announcement : decision.announcements) {
    if (auto said = announce(announcement); !said) {
      return said;
    }
  }
  return {};
}

Result<void> LocalMachine::announce(const Announcement& announcement) {
  const Claim& claim = announcement.claim;
  const std::string suffix = std::to_string(claim.sequence);
  if (announcement.kind == Announcement::Kind::kReady) {
    const auto plan = plan_of(claim);
    if (!plan) {
      return tl::unexpected(plan.error());
    }
    if (!*plan) {
      parts_.log.warning("an assigned Workspace has no plan any more and loses its worker",
                         {{"uid", claim.uid}});
      // Not the end of this pass: with the plan made again, the Workspace wants a worker again.
      return apply({.releases = {{claim.uid, claim.generation, kAnyPass}}, .claims = {}});
    }
    const auto event = ready_event(announcement, **plan, parts_.node);
    if (auto sent = parts_.publisher.publish(bus::make_event(event, suffix, claim.traceparent));
        !sent) {
      return sent;
    }
    parts_.log.info("a worker is assigned",
                    {{"workspace", claim.name_space + "/" + claim.name}, {"node", parts_.node}});
  } else {
    const auto event = pending_event(announcement, parts_.workers);
    if (auto sent = parts_.publisher.publish(bus::make_event(event, suffix, claim.traceparent));
        !sent) {
      return sent;
    }
  }
  const auto noted =
      change([&](SlotState state) { return announced(std::move(state), announcement); });
  return noted ? Result<void>() : tl::unexpected(noted.error());
}

Result<std::optional<events::v1::Plan>> LocalMachine::plan_of(const Claim& claim) {
  const auto entry = parts_.plans.get(claim.uid + "." + std::to_string(claim.generation));
  if (!entry) {
    return tl::unexpected(entry.error());
  }
  events::v1::Plan plan;
  if (!*entry || !plan.ParseFromString((*entry)->value)) {
    return std::nullopt;
  }
  return plan;
}

Result<bool> LocalMachine::still_counts(const Claim& claim) {
  const auto standing = bus::standing(parts_.current, claim.workspace());
  if (!standing) {
    return tl::unexpected(standing.error());
  }
  return *standing == bus::Standing::kCurrent;
}

Result<bool> LocalMachine::unattended(const std::string& uid) {
  const auto entry = parts_.leases.get(uid);
  if (!entry) {
    return tl::unexpected(entry.error());
  }
  const auto record = bus::read_lease(parts_.leases, uid);
  if (!record) {
    return tl::unexpected(record.error());
  }
  if (!*entry || !*record || (*record)->released) {
    leases_.erase(uid);
    return true;
  }
  auto& observer = leases_.try_emplace(uid, parts_.clock, parts_.lease_times).first->second;
  observer.saw((*entry)->revision, false);
  return observer.may_take();
}

Result<void> LocalMachine::want(const events::v1::PlanCleared& cleared, std::int64_t since,
                                const std::string& traceparent) {
  const auto& workspace = cleared.workspace();
  Claim claim;
  claim.uid = workspace.uid();
  claim.name_space = workspace.namespace_();
  claim.name = workspace.name();
  claim.generation = workspace.generation();
  claim.pass = workspace.pass();
  claim.since = since;
  claim.traceparent = traceparent;
  const std::scoped_lock lock(mutex_);
  const auto alone = unattended(claim.uid);
  if (!alone) {
    return tl::unexpected(alone.error());
  }
  claim.unattended = *alone;
  return apply({.releases = {}, .claims = {claim}});
}

Result<void> LocalMachine::release(const Release& wish) {
  const std::scoped_lock lock(mutex_);
  leases_.erase(wish.uid);
  return apply({.releases = {wish}, .claims = {}});
}

Result<void> LocalMachine::reconcile(const std::string& uid) {
  const std::scoped_lock lock(mutex_);
  const auto stored = load();
  if (!stored) {
    return tl::unexpected(stored.error());
  }
  Wishes wishes;
  for (const auto* claims : {&stored->state.assigned, &stored->state.waiting}) {
    for (const Claim& claim : *claims) {
      if (!uid.empty() && claim.uid != uid) {
        continue;
      }
      const auto counts = still_counts(claim);
      if (!counts) {
        return tl::unexpected(counts.error());
      }
      if (!*counts) {
        wishes.releases.push_back({claim.uid, claim.generation, kAnyPass});
      }
    }
  }
  if (!uid.empty() && wishes.releases.empty()) {
    return {};  // most changes of `current` concern nobody here
  }
  return apply(wishes);
}

}  // namespace tunesmith::provisioner
