/* Landlock of the Linux ABI, version 1. */
#pragma once
#include <abi/types.h>
#define LANDLOCK_CREATE_RULESET_VERSION 1u
#define LANDLOCK_RULE_PATH_BENEATH 1
#define LANDLOCK_ACCESS_FS_EXECUTE (1u << 0)
#define LANDLOCK_ACCESS_FS_WRITE_FILE (1u << 1)
#define LANDLOCK_ACCESS_FS_READ_FILE (1u << 2)
#define LANDLOCK_ACCESS_FS_READ_DIR (1u << 3)
#define LANDLOCK_ACCESS_FS_REMOVE_DIR (1u << 4)
#define LANDLOCK_ACCESS_FS_REMOVE_FILE (1u << 5)
#define LANDLOCK_ACCESS_FS_MAKE_CHAR (1u << 6)
#define LANDLOCK_ACCESS_FS_MAKE_DIR (1u << 7)
#define LANDLOCK_ACCESS_FS_MAKE_REG (1u << 8)
#define LANDLOCK_ACCESS_FS_MAKE_SOCK (1u << 9)
#define LANDLOCK_ACCESS_FS_MAKE_FIFO (1u << 10)
#define LANDLOCK_ACCESS_FS_MAKE_BLOCK (1u << 11)
#define LANDLOCK_ACCESS_FS_MAKE_SYM (1u << 12)
struct landlock_ruleset_attr {
    uint64_t handled_access_fs;
};
struct landlock_path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));
