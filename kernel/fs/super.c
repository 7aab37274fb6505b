/* File system types and super blocks. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

static const struct file_system_type *types[16];
static unsigned int nr_types;
static u64 next_dev = 1;
LIST_HEAD(block_devices);

void register_filesystem(const struct file_system_type *t) {
    BUG_ON(nr_types == ARRAY_SIZE(types));
    types[nr_types++] = t;
}
struct file_system_type *filesystem_at(unsigned int i) {
    return i < nr_types ? (struct file_system_type *)types[i] : NULL;
}

const struct file_system_type *find_filesystem(const char *name) {
    for (unsigned int i = 0; i < nr_types; i++)
        if (!strcmp(types[i]->name, name))
            return types[i];
    return NULL;
}

struct super_block *make_super(const struct file_system_type *t, struct block_device *b, u32 flags,
                               const char *options, int *err) {
    struct super_block *sb = kzalloc(sizeof(*sb), GFP_KERNEL);
    *err = -ENOMEM;
    if (!sb)
        return NULL;
    sb->type = t;
    sb->bdev = b;
    sb->flags = flags;
    sb->max_bytes = MAX_LFS_FILESIZE;
    u64 minor = next_dev++;
    sb->dev = b ? b->dev : makedev(0, minor);
    mutex_init(&sb->rename_lock);
    INIT_LIST_HEAD(&sb->inodes);
    INIT_LIST_HEAD(&sb->dirty);
    *err = t->fill_super(sb, options);
    if (!*err)
        return sb;
    kfree(sb);
    return NULL;
}

static long do_statfs(struct super_block *sb, u64 buf) {
    struct statfs st = {.f_bsize = PAGE_SIZE, .f_frsize = PAGE_SIZE, .f_namelen = NAME_MAX};
    if (sb->ops && sb->ops->statfs)
        sb->ops->statfs(sb, &st);
    return copy_to_user(buf, &st, sizeof(st));
}
long sys_statfs(u64 path, u64 buf) {
    struct path p;
    int r = user_path(AT_FDCWD, path, LOOKUP_FOLLOW, &p);
    if (r)
        return r;
    r = do_statfs(p.mnt->sb, buf);
    path_put(&p);
    return r;
}
long sys_fstatfs(u64 fd, u64 buf) { /* accepts O_PATH */
    struct file *f = fget_raw(fd);
    if (!f)
        return -EBADF;
    long r = do_statfs(f->inode->sb, buf);
    fput(f);
    return r;
}
