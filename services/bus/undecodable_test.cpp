// What is not what tunesmith writes: entries of buckets that somebody else changed.
#include <gtest/gtest.h>

#include "bus/current.h"
#include "bus/lease.h"
#include "bus/results.h"
#include "fakes/memory_bus.h"

namespace tunesmith::bus {
namespace {

TEST(Undecodable, EntriesAreNamedAsSuchAndNotTakenForMissingOnes) {
  fakes::MemoryKeyValue bucket;
  events::v1::WorkspaceRef workspace;
  workspace.set_uid("u");
  workspace.set_generation(1);
  events::v1::Plan plan;
  plan.set_tuning_key("key");
  for (const char* garbage : {"no json", "[]", "{\"holder\":7}"}) {
    SCOPED_TRACE(garbage);
    ASSERT_TRUE(bucket.put("u", garbage));
    EXPECT_EQ(read_current(bucket, "u").error().reason, "CurrentUndecodable");
    EXPECT_EQ(read_lease(bucket, "u").error().reason, "LeaseUndecodable");
    ASSERT_TRUE(bucket.put(result_key("u", "key"), garbage));
    EXPECT_EQ(accepted_result(bucket, workspace, plan).error().reason, "ResultUndecodable");
  }
}

}  // namespace
}  // namespace tunesmith::bus
