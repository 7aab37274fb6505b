/* unshare: run a program in namespaces of its own (C20): -u host name, -i System V IPC, -m mounts, -p process
 * numbers, with a /proc of their own; -U users: who calls it is root there, so anybody may. -h NAME: called
 * so (with -u). -r DIR: with DIR as its root, the old one gone (with -m). `unshare -h box -i -p -r /tmp/root
 * sh` is a small container. */
#include <tine.h>

static const char *name, *root, *proc = "/proc";

static void own_root(void) {
    char *old = join(root, ".old");
    if (syscall(SYS_mount, root, root, NULL, MS_BIND | MS_REC, NULL) < 0) /* a root must be a mount */
        die("cannot mount %s on itself", root);
    if (mkdir(old, 0700) < 0 && errno != EEXIST)
        die("%s", old);
    if (syscall(SYS_pivot_root, root, old) < 0)
        die("cannot make %s the root", root);
    if (chdir("/") < 0 || syscall(SYS_umount2, "/.old", 2) < 0) /* MNT_DETACH */
        die("cannot let go of the old root");
    rmdir("/.old");
    free(old);
}

static void put(const char *file, const char *text) {
    int fd = open(file, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        die("%s", file);
    close(fd);
}
/* Root in there is id out here. */
static void map(const char *file, unsigned int id) {
    char text[32];
    snprintf(text, sizeof(text), "0 %u 1", id);
    put(file, text);
}

int main(int argc, char **argv) {
    static char *shell[] = {"sh", NULL};
    long flags = 0;
    int c, st;
    while ((c = options(argc, argv,
                        "+uimpUh:r:", "unshare [-uimpU] [-h NAME] [-r DIR] [COMMAND [ARG...]]")) != -1)
        switch (c) {
        case 'u':
            flags |= CLONE_NEWUTS;
            break;
        case 'i':
            flags |= CLONE_NEWIPC;
            break;
        case 'm':
            flags |= CLONE_NEWNS;
            break;
        case 'p':
            flags |= CLONE_NEWPID | CLONE_NEWNS;
            break;
        case 'U':
            flags |= CLONE_NEWUSER;
            break;
        case 'h':
            flags |= CLONE_NEWUTS;
            name = optarg;
            break;
        case 'r':
            flags |= CLONE_NEWNS;
            root = optarg;
        }
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (syscall(SYS_unshare, flags) < 0)
        die("unshare");
    if (flags & CLONE_NEWUSER) {
        map("/proc/self/uid_map", uid);
        put("/proc/self/setgroups", "deny");
        map("/proc/self/gid_map", gid);
    }
    if (name && syscall(SYS_sethostname, name, strlen(name)) < 0)
        die("%s", name);
    /* Nothing that is mounted in here is to be seen out there. */
    if ((flags & CLONE_NEWNS) && syscall(SYS_mount, "none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        die("private mounts");
    if (root)
        own_root();
    pid_t pid = flags & CLONE_NEWPID ? fork() : 0;
    if (pid < 0)
        die("fork");
    if (pid) { /* process numbers: the child has number 1 there */
        signal(SIGINT, SIG_IGN);
        if (waitpid(pid, &st, 0) < 0)
            die("wait");
        return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
    }
    if (flags & CLONE_NEWPID) {
        mkdir(proc, 0555);
        if (syscall(SYS_mount, "proc", proc, "proc", 0, NULL) < 0)
            warn("%s", proc);
    }
    char **command = argv[optind] ? argv + optind : shell;
    execvp(*command, command);
    warn("%s", *command);
    return 127;
}
