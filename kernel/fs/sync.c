/* What is written goes to the disk: fsync and its relatives; and advice about what is to be read. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "fs.h"

int vfs_fsync(struct file *f, bool datasync) {
    if (f->f_op->fsync)
        return f->f_op->fsync(f, datasync);
    return S_ISREG(f->inode->i_mode) || S_ISDIR(f->inode->i_mode) || S_ISBLK(f->inode->i_mode) ? 0 : -EINVAL;
}
long sys_fsync(u64 fd) { return ON_FILE(fd, vfs_fsync(f, false)); }
long sys_fdatasync(u64 fd) { return ON_FILE(fd, vfs_fsync(f, true)); }
long sys_sync(void) {
    sync_all();
    return 0;
}
/* The data alone, and no barrier: for who writes back bit by bit. */
static int sync_range(struct file *f, s64 off, s64 len, u32 flags) {
    s64 end;
    if ((flags & ~7u) || off < 0 || len < 0 || __builtin_add_overflow(off, len, &end))
        return -EINVAL;
    if (!S_ISREG(f->inode->i_mode) && !S_ISBLK(f->inode->i_mode) && !S_ISDIR(f->inode->i_mode))
        return -ESPIPE;
    if (!f->mapping || !f->mapping->ops->writepage)
        return 0;
    if (flags & SYNC_FILE_RANGE_WAIT_BEFORE)
        wait_for_mapping(f->mapping);
    if (flags & SYNC_FILE_RANGE_WRITE)
        start_writeback_mapping(f->mapping);
    if (flags & SYNC_FILE_RANGE_WAIT_AFTER)
        wait_for_mapping(f->mapping);
    return file_check_error(f);
}
long sys_sync_file_range(u64 fd, u64 off, u64 len, u64 flags) {
    return ON_FILE(fd, sync_range(f, off, len, flags));
}
long sys_readahead(u64 fd, u64 off, u64 n) { /* advice: reading in order starts it anyway */
    (void)off, (void)n;
    return ON_FILE(fd, !(f->mode & FMODE_READ)                  ? -EBADF
                       : !f->mapping || !S_ISREG(inode->i_mode) ? -EINVAL
                                                                : 0);
}
long sys_syncfs(u64 fd) { return ON_FILE(fd, sb_sync(inode->sb)); }
long sys_fadvise64(u64 fd, u64 off, u64 len, u64 advice) {
    (void)off, (void)len;
    return ON_FILE(fd, !(f->mode & FMODE_LSEEK) ? -ESPIPE : advice > 5 ? -EINVAL : 0);
}
