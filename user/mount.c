/* mount: what is mounted, or mount -t TYPE [-o ro,remount] SOURCE DIR. */
#include <tine.h>

int main(int argc, char **argv) {
    int c;
    unsigned long flags = 0;
    const char *type = "ext2";
    while ((c = options(argc, argv, "t:o:r",
                        "mount [-t TYPE] [-o ro,rw,remount,nosuid,nodev,noexec] [SOURCE] DIR")) != -1) {
        if (c == 't')
            type = optarg;
        else if (c == 'r')
            flags |= MS_RDONLY;
        else
            for (char *o = strtok(optarg, ","); o; o = strtok(NULL, ","))
                flags |= !strcmp(o, "ro")        ? MS_RDONLY
                         : !strcmp(o, "remount") ? MS_REMOUNT
                         : !strcmp(o, "nosuid")  ? MS_NOSUID
                         : !strcmp(o, "nodev")   ? MS_NODEV
                         : !strcmp(o, "noexec")  ? MS_NOEXEC
                                                 : 0;
    }
    if (optind == argc) {
        char *s = slurp("/proc/mounts", NULL), a[64], b[256], t[32], o[32];
        for (char *l = s ? strtok(s, "\n") : NULL; l; l = strtok(NULL, "\n"))
            if (sscanf(l, "%63s %255s %31s %31s", a, b, t, o) == 4)
                printf("%s on %s type %s (%s)\n", a, b, t, o);
        return !s;
    }
    const char *at = argv[argc - 1], *src = argc - optind > 1 ? argv[optind] : type;
    if (syscall(SYS_mount, src, at, type, flags, NULL) < 0)
        die("%s on %s", src, at);
    return 0;
}
