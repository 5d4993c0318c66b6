// The model of the tests that know what a model of its size takes.
#pragma once

#include "planner/model_shape.h"

namespace tunesmith::planner {

// SmolLM2-135M.
inline const ModelShape kSmolLm2{.architecture = "llama",
                                 .vocab = 49'152,
                                 .hidden = 576,
                                 .intermediate = 1'536,
                                 .layers = 30,
                                 .heads = 9,
                                 .kv_heads = 3,
                                 .head_dim = 64,
                                 .max_positions = 8'192,
                                 .tied_embeddings = true};

}  // namespace tunesmith::planner
