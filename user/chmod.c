/* chmod: permissions, in octal or as [ugoa][+-=][rwxst]. */
#include <tine.h>

static int symbolic(const char *s, unsigned *mode) {
    while (*s) {
        unsigned who = 0, bits = 0;
        for (; strchr("ugoa", *s) && *s; s++)
            who |= *s == 'u' ? 04700 : *s == 'g' ? 02070 : *s == 'o' ? 01007 : 07777;
        if (!who)
            who = 07777;
        char op = *s++;
        if (!op || !strchr("+-=", op))
            return -1;
        for (; *s && *s != ','; s++)
            switch (*s) {
            case 'r':
                bits |= 0444;
                break;
            case 'w':
                bits |= 0222;
                break;
            case 'x':
                bits |= 0111;
                break;
            case 's':
                bits |= 06000;
                break;
            case 't':
                bits |= 01000;
                break;
            default:
                return -1;
            }
        s += *s == ',';
        *mode = op == '+'   ? *mode | (bits & who)
                : op == '-' ? *mode & ~(bits & who)
                            : (*mode & ~(who & 0777)) | (bits & who);
    }
    return 0;
}
int main(int argc, char **argv) {
    int r = 0;
    if (argc == 2 && !strcmp(argv[1], "--help")) {
        printf("usage: chmod MODE FILE...\n");
        return 0;
    }
    if (argc < 3) {
        warnx("usage: chmod MODE FILE...");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        struct stat st;
        char *end;
        unsigned m = strtoul(argv[1], &end, 8);
        if (stat(argv[i], &st) < 0) {
            warn("%s", argv[i]);
            r = 1;
            continue;
        }
        if (*end) {
            m = st.st_mode & 07777;
            if (symbolic(argv[1], &m)) {
                warnx("bad mode: %s", argv[1]);
                return 2;
            }
        }
        if (chmod(argv[i], m) < 0) {
            warn("%s", argv[i]);
            r = 1;
        }
    }
    return r;
}
