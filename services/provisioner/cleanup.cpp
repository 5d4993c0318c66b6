#include "provisioner/cleanup.h"

#include <algorithm>
#include <utility>

#include "bus/results.h"

namespace tunesmith::provisioner {
namespace {

Result<void> remove_keys(bus::KeyValue& bucket, const std::string& pattern) {
  const auto keys = bucket.keys(pattern);
  if (!keys) {
    return tl::unexpected(keys.error());
  }
  for (const auto& key : *keys) {
    if (auto removed = bucket.remove(key); !removed) {
      return removed;
    }
  }
  return {};
}

Result<void> remove_all(const std::string& uid, const CleanupParts& parts) {
  if (auto gone = parts.objects.delete_bucket("ws-" + uid); !gone) {
    return gone;
  }
  if (auto gone = parts.logs.purge(uid); !gone) {
    return gone;
  }
  if (auto gone = remove_keys(parts.results, uid + ".*"); !gone) {
    return gone;
  }
  if (auto gone = remove_keys(parts.plans, uid + ".*"); !gone) {
    return gone;
  }
  return parts.rendezvous.remove(uid);
}

}  // namespace

Result<void> clean_up(const std::string& uid, const CleanupParts& parts, std::stop_token stop) {
  const auto record = bus::read_lease(parts.leases, uid);
  if (!record) {
    return tl::unexpected(record.error());
  }
  if (!*record) {  // no worker ever began; a late one finds the Workspace deleted before it asks
                   // for a lease
    return remove_all(uid, parts);
  }
  const auto lease =
      bus::acquire_lease(parts.leases, uid, "provisioner", parts.lease_times, parts.clock,
                         parts.log, parts.lease_patience, std::move(stop));
  if (!lease) {
    return tl::unexpected(lease.error());
  }
  if (auto gone = remove_all(uid, parts); !gone) {
    return gone;
  }
  if (auto released = (*lease)->release(); !released) {
    return released;
  }
  return parts.leases.remove(uid);
}

std::string left_behind(const std::string& uid, const CleanupParts& parts) {
  std::string left;
  const auto add = [&](const std::string& what) {
    left += (left.empty() ? "left: " : ", ") + what;
  };
  if (const auto lease = bus::read_lease(parts.leases, uid); lease && *lease) {
    add("the lease of " + (*lease)->holder);
  }
  const auto buckets = parts.objects.buckets();
  if (buckets && std::find(buckets->begin(), buckets->end(), "ws-" + uid) != buckets->end()) {
    add("the objects in ws-" + uid);
  }
  for (const auto& [bucket, name] : {std::pair(&parts.results, "result"), {&parts.plans, "plan"}}) {
    if (const auto keys = bucket->keys(uid + ".*"); keys && !keys->empty()) {
      add(std::to_string(keys->size()) + " " + name + (keys->size() == 1 ? "" : "s"));
    }
  }
  return left.empty() ? "what is left cannot be asked" : left;
}

Result<std::size_t> remove_other_keys(const std::string& uid, const std::string& tuning_key,
                                      const CleanupParts& parts) {
  // The results first: nobody then announces an adapter whose object is about to go.
  const auto results = parts.results.keys(uid + ".*");
  if (!results) {
    return tl::unexpected(results.error());
  }
  for (const auto& key : *results) {
    if (key == bus::result_key(uid, tuning_key)) {
      continue;
    }
    if (auto removed = parts.results.remove(key); !removed) {
      return tl::unexpected(removed.error());
    }
  }
  const std::string bucket = "ws-" + uid;
  const auto objects = parts.objects.list(bucket);
  if (!objects) {
    return tl::unexpected(objects.error());
  }
  std::size_t count = 0;
  for (const auto& object : *objects) {  // adapter/<tuning key>/… and checkpoint/<tuning key>/…
    if (object.name.find("/" + tuning_key + "/") != std::string::npos) {
      continue;
    }
    if (auto removed = parts.objects.remove(bucket, object.name); !removed) {
      return tl::unexpected(removed.error());
    }
    ++count;
  }
  return count;
}

}  // namespace tunesmith::provisioner
