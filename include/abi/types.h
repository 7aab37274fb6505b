/* The fixed-width types of the ABI's structures. A program has them from its libc. The kernel has no
 * libc and takes them from the compiler's macros: not every bare-metal gcc brings a stdint.h. */
#pragma once
#if __STDC_HOSTED__
#include <stdint.h>
#else
typedef __INT8_TYPE__ int8_t;
typedef __INT16_TYPE__ int16_t;
typedef __INT32_TYPE__ int32_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
typedef __UINTPTR_TYPE__ uintptr_t;
#endif
