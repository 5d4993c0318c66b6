// What goes wrong in a history, and when it stops.
#pragma once

#include "simulation/cluster.h"
#include "simulation/world.h"

namespace tunesmith::simulation {

class Faults {
 public:
  Faults(World& world, Cluster& cluster);

  void make_plans(Time until);
  void end();

 private:
  void something(Time until);
  Time outage();

  World& world_;
  Cluster& cluster_;
  Random random_;
  bool over_ = false;
};

}  // namespace tunesmith::simulation
