// Compiled with this instruction set's flags (CMakeLists.txt).
#define TUNESMITH_ISA kernels_avx512
#include "model/kernels_isa.inc"
