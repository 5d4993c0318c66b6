// How a failure's class is written for people and in headers.
#pragma once

#include "runtime/result.h"

namespace tunesmith {

inline const char* name_of(FailureClass failure_class) {
  switch (failure_class) {
    case FailureClass::kTransient:
      return "Transient";
    case FailureClass::kPermanent:
      return "Permanent";
    case FailureClass::kPoison:
      break;
  }
  return "Poison";
}

}  // namespace tunesmith
