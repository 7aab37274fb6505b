/* wc: lines, words and bytes. */
#include <tine.h>

int main(int argc, char **argv) {
    int c, r = 0;
    bool l = false, w = false, b = false;
    unsigned long t[3] = {0};
    while ((c = options(argc, argv, "lwc", "wc [-lwc] [FILE...]")) != -1)
        l |= c == 'l', w |= c == 'w', b |= c == 'c';
    if (!l && !w && !b)
        l = w = b = true;
    for (int i = optind; i <= argc; i++) {
        unsigned long n[3] = {0};
        bool total = i == argc && argc - optind > 1;
        if (i == argc && !total && argc != optind)
            break;
        const char *name = i < argc ? argv[i] : "-";
        if (!total) {
            int fd = strcmp(name, "-") ? open(name, O_RDONLY) : 0;
            char buf[4096];
            bool in = false;
            ssize_t k = fd;
            while (fd >= 0 && (k = read(fd, buf, sizeof(buf))) > 0)
                for (ssize_t j = 0; j < k; j++) {
                    n[2]++;
                    n[0] += buf[j] == '\n';
                    bool sp = isspace((unsigned char)buf[j]);
                    n[1] += !sp && !in;
                    in = !sp;
                }
            if (k < 0) {
                warn("%s", name);
                r = 1;
                continue;
            }
            if (fd > 0)
                close(fd);
            for (int j = 0; j < 3; j++)
                t[j] += n[j];
        } else {
            memcpy(n, t, sizeof(n));
        }
        bool only = l + w + b == 1;
        if (l)
            printf(only ? "%lu" : "%7lu", n[0]);
        if (w)
            printf(only ? "%lu" : " %7lu", n[1]);
        if (b)
            printf(only ? "%lu" : " %7lu", n[2]);
        printf(total ? " total\n" : i < argc ? " %s\n" : "\n", name);
    }
    return r;
}
