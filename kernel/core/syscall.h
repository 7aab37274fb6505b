/* The dispatch tables, generated from syscalls.list: no entry is empty, and the last one is what numbers
 * beyond get. */
#pragma once
#include "../lib/types.h"
typedef long (*syscall_fn)(u64, u64, u64, u64, u64, u64);
#define SYSCALL_COUNT 460
#define SYSCALL_LEGACY_BASE 1024
#define SYSCALL_LEGACY_COUNT 64
extern const syscall_fn syscall_table[SYSCALL_COUNT + 1];
extern const syscall_fn syscall_table_legacy[SYSCALL_LEGACY_COUNT + 1];
