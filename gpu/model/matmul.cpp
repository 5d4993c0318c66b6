#include "model/matmul.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

// Exported by libtorch_cpu (ATen/native/mkldnn/Matmul.cpp), in no installed header. at::mm sends
// fp32 to MKL, which on AMD stays at AVX2: oneDNN is twice as fast there and equal on Intel.
namespace at::native {
void mkldnn_matmul(const Tensor& mat1, const Tensor& mat2, const Tensor& result, float beta,
                   float alpha);
}

namespace tunesmith::engine {
namespace {

at::Tensor tensor_of(const Matrix& matrix) {
  const auto type = matrix.elem == Elem::kF32 ? at::kFloat : at::kBFloat16;
  return at::from_blob(matrix.data, {matrix.rows, matrix.cols},
                       {matrix.row_stride, matrix.col_stride}, at::TensorOptions(type));
}

// oneDNN's entry refuses CPUs (and CPUs held down) below AVX-512.
bool onednn_takes_it() {
  static const bool takes_it = [] {
    const at::Tensor square = at::zeros({2, 2}, at::TensorOptions(at::kFloat));
    const at::Tensor result = at::zeros({2, 2}, at::TensorOptions(at::kFloat));
    try {
      at::native::mkldnn_matmul(square, square, result, 0, 1);
      return true;
    } catch (const c10::Error&) {
      return false;
    }
  }();
  return takes_it;
}

}  // namespace

void matmul(const Matrix& a, const Matrix& b, const Matrix& out, float alpha, float beta) {
  if (out.rows == 0 || out.cols == 0) return;
  at::Tensor result = tensor_of(out);
  if (onednn_takes_it()) {
    at::native::mkldnn_matmul(tensor_of(a), tensor_of(b), result, beta, alpha);
  } else if (alpha == 1 && beta == 0) {
    at::mm_out(result, tensor_of(a), tensor_of(b));
  } else {
    at::addmm_out(result, result, tensor_of(a), tensor_of(b), beta, alpha);
  }
}

}  // namespace tunesmith::engine
