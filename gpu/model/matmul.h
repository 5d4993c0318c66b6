// Matrix products, by the fastest library for this CPU.
#pragma once

#include "model/matrix.h"

namespace tunesmith::engine {

// out = alpha * a * b + beta * out. All three have the same element type; any of them may be a
// slice or transposed, out may not overlap a or b. Sums are fp32 inside, rounded once to bf16 at
// the end. The same shapes and threads give the same bits.
void matmul(const Matrix& a, const Matrix& b, const Matrix& out, float alpha = 1, float beta = 0);

}  // namespace tunesmith::engine
