// Compiled with this instruction set's flags (CMakeLists.txt).
#define TUNESMITH_ISA kernels_avx2
#include "model/kernels_isa.inc"
