# libtorch (CPU part) and libparquet from the Python wheels in TUNESMITH_SITE.
include_guard(GLOBAL)

set(_torch ${TUNESMITH_SITE}/torch)
if(NOT EXISTS ${_torch}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "TUNESMITH_SITE='${TUNESMITH_SITE}' holds no torch/lib/libtorch_cpu.so: run tools/setup.sh, or use `make build`")
endif()
add_library(torch_cpu INTERFACE)
foreach(dir ${_torch}/include ${_torch}/include/torch/csrc/api/include)
  # -idirafter: the system's protobuf and fmt headers must win over torch's own copies
  target_compile_options(torch_cpu INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${dir}>")
endforeach()
target_link_libraries(torch_cpu INTERFACE ${_torch}/lib/libtorch_cpu.so ${_torch}/lib/libc10.so)

set(_pyarrow ${TUNESMITH_SITE}/pyarrow)
foreach(lib arrow parquet)
  add_library(parquet_${lib} SHARED IMPORTED GLOBAL)
  set_target_properties(parquet_${lib} PROPERTIES IMPORTED_LOCATION ${_pyarrow}/lib${lib}.so.2600
    INTERFACE_INCLUDE_DIRECTORIES ${_pyarrow}/include)
endforeach()
target_link_libraries(parquet_parquet INTERFACE parquet_arrow)
list(APPEND CMAKE_BUILD_RPATH ${_torch}/lib ${_pyarrow})
