/* hexdump: bytes in hexadecimal and as text; -n LENGTH, -s START. */
#include <tine.h>

int main(int argc, char **argv) {
    int c;
    long at = 0, left = -1;
    while ((c = options(argc, argv, "Cn:s:", "hexdump [-n LENGTH] [-s START] [FILE]")) != -1)
        if (c == 'n')
            left = atol(optarg);
        else if (c == 's')
            at = atol(optarg);
    int fd = optind < argc ? open(argv[optind], O_RDONLY) : 0;
    if (fd < 0)
        die("%s", argv[optind]);
    if (at && lseek(fd, at, 0) < 0)
        die("cannot seek");
    unsigned char b[16];
    for (;;) {
        ssize_t n = 0, k;
        while (n < 16 && left && (k = read(fd, b + n, left > 0 && left < 16 - n ? left : 16 - n)) > 0)
            n += k, left -= left > 0 ? k : 0;
        if (!n)
            break;
        printf("%08lx ", at);
        for (int i = 0; i < 16; i++)
            printf(i < n ? "%s%02x" : "%s  ", i == 8 ? "  " : " ", b[i]);
        printf("  |");
        for (int i = 0; i < n; i++)
            putchar(b[i] >= 32 && b[i] < 127 ? b[i] : '.');
        printf("|\n");
        at += n;
    }
    printf("%08lx\n", at);
    return 0;
}
