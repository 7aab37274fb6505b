/* Keyrings (C19): secrets and tokens that the kernel keeps for who may find them. A key has a type, a
 * description, an owner, permissions; a keyring is a key whose content is links to others. A task finds keys
 * from its own keyrings: the thread's (never inherited), the process's (shared by its threads), the session's
 * (inherited by fork and exec), the user's.
 *
 * One mutex guards all keys. A key is there while it is linked, or is somebody's keyring. */
#include "../core/user_namespace.h"
#include "security.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "../fs/procfs/procfs.h"
#include <abi/errno.h>
#include <abi/keyctl.h>

#define POS(p) ((u32)(p) << 24)
#define USR(p) ((u32)(p) << 16)
#define ALL 0x3fu
#define PERM_MASK 0x3f3f3f3fu
#define MAX_DESC 4096
#define MAX_PAYLOAD 32767
#define MAX_KEYS 200 /* of a user; root: 1000000 */
#define MAX_BYTES 20000
#define MAX_DEPTH 6     /* so far below the keyring where it begins a search goes */
#define LINK_BYTES 4    /* that a link costs the owner of the keyring */

struct key {
    u32 refs; /* links, and what holds it as its keyring */
    s32 serial;
    bool keyring, logon, revoked, invalid;
    uid_t uid;
    gid_t gid;
    u32 perm;
    u64 expiry; /* ktime in ns; 0: none */
    char *desc;
    u8 *data; /* of a user key */
    u32 len, charged;
    struct key **link; /* of a keyring */
    u32 n, room;
    u64 visited;      /* by the search of this number, */
    u32 depth;        /* at this depth */
    struct key *next[2]; /* in a list of a walk, or of those that go */
};
static struct mutex keys_mutex = MUTEX_INIT(keys_mutex);
static struct radix_tree keys; /* by serial */
static s32 last_serial = 0x10000000;
static u64 search_number;

/* What a user's keys take, and its keyrings. Never freed, as user_struct. */
struct key_user {
    struct list_head link;
    uid_t uid;
    u32 keys, bytes;
    struct key *ring, *session;
};
static LIST_HEAD(users);
static struct key_user *user_of(uid_t uid) {
    struct key_user *u;
    list_for_each_entry(u, &users, link) if (u->uid == uid) return u;
    if ((u = kzalloc(sizeof(*u), GFP_KERNEL))) {
        u->uid = uid;
        list_add(&u->link, &users);
    }
    return u;
}

/* --- keys; keys_mutex held --- */
static void put_key(struct key *k) {
    struct key *gone = NULL;
    if (!k || --k->refs)
        return;
    for (k->next[0] = NULL; k; k = gone) { /* with a keyring those that it alone led to */
        gone = k->next[0];
        radix_delete(&keys, k->serial);
        struct key_user *u = user_of(k->uid);
        u->keys--;
        u->bytes -= k->charged;
        for (u32 i = 0; i < k->n; i++)
            if (!--k->link[i]->refs)
                k->link[i]->next[0] = gone, gone = k->link[i];
        kfree(k->link);
        kfree(k->data);
        kfree(k->desc);
        kfree(k);
    }
}
static void unlink_key(struct key *ring, u32 i) {
    struct key *k = ring->link[i];
    memmove(&ring->link[i], &ring->link[i + 1], (--ring->n - i) * sizeof(*ring->link));
    ring->charged -= LINK_BYTES;
    user_of(ring->uid)->bytes -= LINK_BYTES;
    put_key(k);
}
static bool charge(struct key_user *u, u32 keys_more, s64 bytes_more) {
    bool root = !u->uid;
    if (u->keys + keys_more > (root ? 1000000u : MAX_KEYS) ||
        (s64)u->bytes + bytes_more > (root ? 25000000 : MAX_BYTES))
        return false;
    u->keys += keys_more;
    u->bytes += bytes_more;
    return true;
}
/* A new key with one reference. desc is copied. */
static struct key *new_key(bool keyring, const char *desc, uid_t uid, gid_t gid, u32 perm) {
    struct key_user *u = user_of(uid);
    u32 bytes = strlen(desc) + 1;
    struct key *k = u ? kzalloc(sizeof(*k), GFP_KERNEL) : NULL;
    if (!k || !(k->desc = kstrdup(desc))) {
        kfree(k);
        return ERR_PTR(-ENOMEM);
    }
    if (!charge(u, 1, bytes)) {
        kfree(k->desc);
        kfree(k);
        return ERR_PTR(-EDQUOT);
    }
    do
        k->serial = last_serial = last_serial == 0x7fffffff ? 0x10000000 : last_serial + 1;
    while (radix_lookup(&keys, k->serial));
    k->refs = 1;
    k->keyring = keyring;
    k->uid = uid;
    k->gid = gid;
    k->perm = perm;
    k->charged = bytes;
    if (radix_insert(&keys, k->serial, k)) {
        u->keys--;
        u->bytes -= bytes;
        kfree(k->desc);
        kfree(k);
        return ERR_PTR(-ENOMEM);
    }
    return k;
}
static int set_payload(struct key *k, const u8 *data, u32 len) {
    u8 *copy = kmalloc(len + 1, GFP_KERNEL);
    if (!copy)
        return -ENOMEM;
    struct key_user *u = user_of(k->uid);
    if (!charge(u, 0, (s64)len - k->len)) {
        kfree(copy);
        return -EDQUOT;
    }
    k->charged += len - k->len;
    memcpy(copy, data, len);
    kfree(k->data);
    k->data = copy;
    k->len = len;
    return 0;
}
/* The keyring k is to be linked into ring: -EDEADLK if that makes a circle, -ELOOP if k has more than
 * MAX_DEPTH keyrings below each other. One depth after the other, each keyring once in each: however many
 * ways lead to it. */
static int check_depth(struct key *ring, struct key *k) {
    struct key *at = k, *next;
    k->next[0] = NULL;
    for (u32 depth = 0; at; at = next, depth++) {
        if (depth > MAX_DEPTH)
            return -ELOOP;
        search_number++;
        next = NULL;
        for (struct key *o = at; o; o = o->next[depth & 1]) {
            if (o == ring)
                return -EDEADLK;
            for (u32 i = 0; i < o->n; i++) {
                struct key *c = o->link[i];
                if (!c->keyring || c->visited == search_number)
                    continue;
                c->visited = search_number;
                c->next[~depth & 1] = next;
                next = c;
            }
        }
    }
    return 0;
}
/* 0, or -EDEADLK, -ELOOP, -EDQUOT, -ENOMEM. */
static int link_key(struct key *ring, struct key *k) {
    int r = k->keyring ? check_depth(ring, k) : 0;
    if (r)
        return r;
    for (u32 i = 0; i < ring->n; i++)
        if (ring->link[i] == k)
            return 0;
    for (u32 i = 0; i < ring->n; i++)
        if (ring->link[i]->keyring == k->keyring && ring->link[i]->logon == k->logon &&
            !strcmp(ring->link[i]->desc, k->desc)) {
            k->refs++; /* in the place of the one of the same name */
            put_key(ring->link[i]);
            ring->link[i] = k;
            return 0;
        }
    if (ring->n == ring->room) {
        struct key **more = kmalloc((ring->room * 2 + 4) * sizeof(*more), GFP_KERNEL);
        if (!more)
            return -ENOMEM;
        memcpy(more, ring->link, ring->n * sizeof(*more));
        kfree(ring->link);
        ring->link = more;
        ring->room = ring->room * 2 + 4;
    }
    if (!charge(user_of(ring->uid), 0, LINK_BYTES))
        return -EDQUOT;
    ring->charged += LINK_BYTES;
    k->refs++;
    ring->link[ring->n++] = k;
    return 0;
}
static int state(const struct key *k) {
    return k->invalid                              ? -ENOKEY
           : k->revoked                            ? -EKEYREVOKED
           : k->expiry && ktime_get() >= k->expiry ? -EKEYEXPIRED
                                                   : 0;
}
static bool may(const struct key *k, bool possessed, u32 what) {
    const struct cred *c = current->cred;
    u32 p = k->uid == c->fsuid ? k->perm >> 16 : in_group(c, k->gid) ? k->perm >> 8 : k->perm;
    if (possessed)
        p |= k->perm >> 24;
    return (p & what) == what;
}

/* --- finding --- */
/* The caller's own keyrings, in the order of a search. */
static u32 own_rings(struct key *rings[4]) {
    u32 n = 0;
    struct key_user *u;
    if (current->keyring.thread)
        rings[n++] = current->keyring.thread;
    if (current->signal->keyring)
        rings[n++] = current->signal->keyring;
    if (current->keyring.session)
        rings[n++] = current->keyring.session;
    else if ((u = user_of(current->cred->uid)) && u->session)
        rings[n++] = u->session;
    return n;
}
/* In ring and the keyrings that it leads to: the key itself, or one of a type and name. */
struct wanted {
    const struct key *key;
    bool keyring, logon;
    const char *desc;
    bool skip_expired;
    int worst; /* of one that would have been it but is no longer good */
};
static struct key *look_in(struct key *ring, bool possessed, struct wanted *w) {
    for (u32 i = 0; i < ring->n; i++) {
        struct key *k = ring->link[i];
        if (w->key ? k != w->key
                   : k->keyring != w->keyring || k->logon != w->logon || strcmp(k->desc, w->desc))
            continue;
        int r = w->key ? 0 : state(k);
        if (r == -EKEYEXPIRED && w->skip_expired)
            continue;
        if (r)
            w->worst = r;
        else if (w->key || may(k, possessed, KEY_SEARCH))
            return k;
        else
            w->worst = -EACCES;
    }
    return NULL;
}
/* False: this search was there, at no greater depth, or may not look there. */
static bool enter(struct key *ring, bool possessed, u32 depth) {
    if ((ring->visited == search_number && ring->depth <= depth) || state(ring) ||
        !may(ring, possessed, KEY_SEARCH))
        return false;
    ring->visited = search_number;
    ring->depth = depth;
    return true;
}
/* A keyring first, then each that it leads to: of search number search_number. */
static struct key *search(struct key *ring, bool possessed, struct wanted *w) {
    struct {
        struct key *ring;
        u32 next;
    } in[MAX_DEPTH + 1] = {{ring, 0}};
    if (!enter(ring, possessed, 0))
        return NULL;
    struct key *k = look_in(ring, possessed, w);
    for (s32 d = 0; d >= 0 && !k;) {
        if (d == MAX_DEPTH || in[d].next == in[d].ring->n) {
            d--;
            continue;
        }
        struct key *c = in[d].ring->link[in[d].next++];
        if (!c->keyring || !enter(c, possessed, d + 1))
            continue;
        k = look_in(c, possessed, w);
        in[++d].ring = c;
        in[d].next = 0;
    }
    return k;
}
static struct key *search_own(struct wanted *w) {
    struct key *rings[4], *k = NULL;
    u32 n = own_rings(rings);
    search_number++;
    for (u32 i = 0; i < n && !k; i++)
        k = w->key == rings[i] ? rings[i] : search(rings[i], true, w);
    return k;
}

static int user_rings(void) {
    struct key_user *u = user_of(current->cred->uid);
    char name[32];
    if (!u)
        return -ENOMEM;
    u32 perm = POS(ALL & ~KEY_SETATTR) | USR(ALL);
    if (!u->ring) {
        snprintf(name, sizeof(name), "_uid.%u", u->uid);
        struct key *k = new_key(true, name, u->uid, -1, perm);
        if (IS_ERR(k))
            return PTR_ERR(k);
        u->ring = k;
    }
    if (!u->session) {
        snprintf(name, sizeof(name), "_uid_ses.%u", u->uid);
        struct key *k = new_key(true, name, u->uid, -1, perm);
        if (IS_ERR(k))
            return PTR_ERR(k);
        u->session = k;
        return link_key(k, u->ring);
    }
    return 0;
}
/* A keyring of the caller's own: made if need be and `create`. */
static struct key *special(s32 id, bool create) {
    struct key **slot;
    const char *name;
    int r;
    switch (id) {
    case KEY_SPEC_THREAD_KEYRING:
        slot = &current->keyring.thread, name = "_tid";
        break;
    case KEY_SPEC_PROCESS_KEYRING:
        slot = &current->signal->keyring, name = "_pid";
        break;
    case KEY_SPEC_SESSION_KEYRING:
        if (current->keyring.session)
            return current->keyring.session;
        if (!create) {
            if ((r = user_rings()))
                return ERR_PTR(r);
            return user_of(current->cred->uid)->session;
        }
        slot = &current->keyring.session, name = "_ses";
        break;
    case KEY_SPEC_USER_KEYRING:
    case KEY_SPEC_USER_SESSION_KEYRING:
        if ((r = user_rings()))
            return ERR_PTR(r);
        struct key_user *u = user_of(current->cred->uid);
        return id == KEY_SPEC_USER_KEYRING ? u->ring : u->session;
    default:
        return ERR_PTR(-EINVAL);
    }
    if (*slot)
        return *slot;
    if (!create)
        return ERR_PTR(-ENOKEY);
    struct key *k = new_key(true, name, current->cred->uid, current->cred->gid,
                            POS(ALL) | USR(KEY_VIEW | (id == KEY_SPEC_SESSION_KEYRING ? KEY_READ : 0)));
    return IS_ERR(k) ? k : (*slot = k);
}
/* The key of a number, special or not, that the caller may use for `what`. */
static struct key *lookup(s32 id, bool create, u32 what) {
    if (!id)
        return ERR_PTR(-EINVAL);
    bool possessed = id < 0;
    struct key *k = possessed ? special(id, create) : radix_lookup(&keys, id);
    if (IS_ERR(k))
        return k;
    if (!k)
        return ERR_PTR(-ENOKEY);
    if (!possessed)
        possessed = search_own(&(struct wanted){.key = k}) != NULL;
    int r = state(k);
    if (r && what)
        return ERR_PTR(r);
    return may(k, possessed, what) ? k : ERR_PTR(-EACCES);
}

/* --- the calls --- */
static char *take_string(u64 at, u64 max, long *error) {
    char *s = kmalloc(max, GFP_KERNEL);
    long n = s ? strncpy_from_user(s, at, max) : -ENOMEM;
    if (n < 0 || n == (long)max) {
        kfree(s);
        *error = n == -ENAMETOOLONG || n == (long)max ? -EINVAL : n;
        return NULL;
    }
    return s;
}
/* 0 user, 1 keyring, 2 logon; or -errno. */
static long take_type(u64 at) {
    char t[32];
    long n = strncpy_from_user(t, at, sizeof(t));
    return n < 0 && n != -ENAMETOOLONG ? n
           : n < 0                     ? -EINVAL
           : !strcmp(t, "user")        ? 0
           : !strcmp(t, "keyring")     ? 1
           : !strcmp(t, "logon")       ? 2
           : *t == '.'                 ? -EPERM
                                       : -ENODEV;
}

static long add_key(long type, const char *desc, const u8 *data, u64 len, s32 to) {
    struct key *ring = lookup(to, true, KEY_WRITE);
    if (IS_ERR(ring))
        return PTR_ERR(ring);
    if (!ring->keyring)
        return -ENOTDIR;
    for (u32 i = 0; type != 1 && i < ring->n; i++) { /* one of the name is there: it gets the new content */
        struct key *k = ring->link[i];
        if (!k->keyring && k->logon == (type == 2) && !strcmp(k->desc, desc) && !state(k)) {
            if (!may(k, true, KEY_WRITE))
                return -EACCES;
            long r = set_payload(k, data, len);
            return r ? r : k->serial;
        }
    }
    u32 perm = POS(KEY_VIEW | KEY_SEARCH | KEY_LINK | KEY_SETATTR | KEY_WRITE | (type == 2 ? 0 : KEY_READ)) |
               USR(KEY_VIEW);
    struct key *k = new_key(type == 1, desc, current->cred->fsuid, current->cred->fsgid, perm);
    if (IS_ERR(k))
        return PTR_ERR(k);
    k->logon = type == 2;
    long r = type == 1 ? 0 : set_payload(k, data, len);
    if (!r)
        r = link_key(ring, k);
    s32 serial = k->serial;
    put_key(k);
    return r ? r : serial;
}
long sys_add_key(u64 utype, u64 udesc, u64 udata, u64 len, u64 to) {
    if (len > 1024 * 1024 - 1)
        return -EINVAL;
    long r = 0, type = take_type(utype);
    if (type < 0)
        return type;
    char *desc = udesc ? take_string(udesc, MAX_DESC, &r) : NULL;
    if (!desc)
        return r ? r : -EINVAL;
    u8 *data = NULL;
    if (!*desc || (type == 1 ? len != 0 : !len || len > MAX_PAYLOAD) || (type == 2 && !strchr(desc, ':')))
        r = -EINVAL;
    else if (type == 1 && *desc == '.')
        r = -EPERM;
    else if (len && !(data = kmalloc(len, GFP_KERNEL)))
        r = -ENOMEM;
    else if (len && copy_from_user(data, udata, len))
        r = -EFAULT;
    if (!r) {
        mutex_lock(&keys_mutex);
        r = add_key(type, desc, data, len, to);
        mutex_unlock(&keys_mutex);
    }
    kfree(data);
    kfree(desc);
    return r;
}
/* No key is made on demand here: what is not found is ENOKEY. */
long sys_request_key(u64 utype, u64 udesc, u64 uinfo, u64 to) {
    long r = 0, type = take_type(utype);
    (void)uinfo;
    if (type < 0)
        return type == -ENODEV ? -ENOKEY : type;
    char *desc = take_string(udesc, MAX_DESC, &r);
    if (!desc)
        return r;
    mutex_lock(&keys_mutex);
    struct wanted w = {
        .keyring = type == 1, .logon = type == 2, .desc = desc, .skip_expired = true, .worst = -ENOKEY};
    struct key *ring = (s32)to ? lookup(to, true, KEY_WRITE) : NULL, *k = NULL;
    if (ring && IS_ERR(ring))
        r = PTR_ERR(ring);
    else if (!(k = search_own(&w)))
        r = w.worst;
    else
        r = ring && (r = link_key(ring, k)) ? r : k->serial;
    mutex_unlock(&keys_mutex);
    kfree(desc);
    return r;
}

static long copy_out(u64 at, u64 room, const void *data, u64 n) {
    if (at && room && copy_to_user(at, data, min(room, n)))
        return -EFAULT;
    return n;
}
static long describe(s32 id, u64 at, u64 room) {
    struct key *k = lookup(id, false, 0);
    if (IS_ERR(k))
        return PTR_ERR(k);
    bool possessed = id < 0 || search_own(&(struct wanted){.key = k});
    if (!may(k, possessed, KEY_VIEW))
        return -EACCES;
    u64 size = strlen(k->desc) + 64;
    char *b = kmalloc(size, GFP_KERNEL);
    if (!b)
        return -ENOMEM;
    u64 n = snprintf(b, size, "%s;%d;%d;%08x;%s",
                     k->keyring ? "keyring"
                     : k->logon ? "logon"
                                : "user",
                     from_kuid_munged(current_user_ns(), k->uid),
                     (s32)k->gid == -1 ? -1 : (s32)from_kgid_munged(current_user_ns(), k->gid), k->perm,
                     k->desc) +
            1;
    long r = room >= n ? copy_out(at, room, b, n) : (long)n;
    kfree(b);
    return r;
}
static long read_key(s32 id, u64 at, u64 room) {
    struct key *k = lookup(id, false, 0);
    if (IS_ERR(k))
        return PTR_ERR(k);
    int r = state(k);
    if (r)
        return r;
    bool possessed = id < 0 || search_own(&(struct wanted){.key = k});
    if (!may(k, possessed, KEY_READ) && !possessed) /* who possesses it may: it found it */
        return -EACCES;
    if (k->logon)
        return -EOPNOTSUPP;
    if (!k->keyring)
        return room >= k->len ? copy_out(at, room, k->data, k->len) : (long)k->len;
    for (u32 i = 0; i < k->n && (i + 1) * 4UL <= room; i++)
        if (put_user(at + i * 4UL, k->link[i]->serial))
            return -EFAULT;
    return k->n * 4UL;
}
static long link_unlink(s32 id, s32 to, bool link) {
    struct key *ring = lookup(to, link, KEY_WRITE);
    if (IS_ERR(ring))
        return PTR_ERR(ring);
    struct key *k = link ? lookup(id, true, KEY_LINK) : id < 0 ? special(id, false) : radix_lookup(&keys, id);
    if (IS_ERR(k) || !k)
        return k ? PTR_ERR(k) : -ENOKEY;
    if (!ring->keyring)
        return -ENOTDIR;
    if (link)
        return link_key(ring, k);
    for (u32 i = 0; i < ring->n; i++)
        if (ring->link[i] == k) {
            unlink_key(ring, i);
            return 0;
        }
    return -ENOENT;
}
static long change(s32 id, u32 op, u64 a, u64 b) {
    u32 need = op == KEYCTL_UPDATE || op == KEYCTL_CLEAR ? KEY_WRITE
               : op == KEYCTL_INVALIDATE                 ? KEY_SEARCH
               : op == KEYCTL_REVOKE                     ? 0
                                                         : KEY_SETATTR;
    struct key *k = lookup(id, op != KEYCTL_REVOKE && op != KEYCTL_INVALIDATE, need);
    if (IS_ERR(k))
        return PTR_ERR(k);
    bool possessed = id < 0 || search_own(&(struct wanted){.key = k});
    int r = state(k);
    switch (op) {
    case KEYCTL_REVOKE:
        if (r)
            return r;
        if (!may(k, possessed, KEY_WRITE) && !may(k, possessed, KEY_SETATTR))
            return -EACCES;
        k->revoked = true;
        while (k->n)
            unlink_key(k, k->n - 1);
        return 0;
    case KEYCTL_INVALIDATE:
        k->invalid = true;
        return 0;
    case KEYCTL_CLEAR:
        if (!k->keyring)
            return -ENOTDIR;
        while (k->n)
            unlink_key(k, k->n - 1);
        return 0;
    case KEYCTL_SETPERM:
        if (a & ~(u64)PERM_MASK)
            return -EINVAL;
        if (k->uid != current->cred->fsuid && !capable(CAP_SYS_ADMIN))
            return -EACCES;
        k->perm = a;
        return 0;
    case KEYCTL_SET_TIMEOUT:
        k->expiry = (u32)a ? ktime_get() + (u32)a * 1000000000UL : 0;
        return 0;
    default: { /* KEYCTL_CHOWN */
        uid_t uid = (u32)a == INVALID_ID ? INVALID_ID : make_kuid(current_user_ns(), a);
        gid_t gid = (u32)b == INVALID_ID ? INVALID_ID : make_kgid(current_user_ns(), b);
        if ((uid == INVALID_ID && (u32)a != INVALID_ID) || (gid == INVALID_ID && (u32)b != INVALID_ID))
            return -EINVAL;
        if ((uid != (uid_t)-1 && uid != k->uid && !capable(CAP_SYS_ADMIN)) ||
            (gid != (gid_t)-1 && gid != k->gid && !in_group(current->cred, gid) && !capable(CAP_SYS_ADMIN)))
            return -EACCES;
        if (uid != (uid_t)-1 && uid != k->uid) {
            struct key_user *to = user_of(uid), *from = user_of(k->uid);
            if (!to || !charge(to, 1, k->charged))
                return to ? -EDQUOT : -ENOMEM;
            from->keys--;
            from->bytes -= k->charged;
            k->uid = uid;
        }
        if (gid != (gid_t)-1)
            k->gid = gid;
        return 0;
    }
    }
}
static long join_session(const char *name) {
    struct key *k = NULL;
    u64 i = 0;
    while (name && (k = radix_next(&keys, &i))) { /* a keyring of that name that we may search */
        if (k->keyring && !strcmp(k->desc, name) && !state(k) && k->uid == current->cred->uid &&
            may(k, false, KEY_SEARCH))
            break;
        i++;
    }
    if (name && k)
        k->refs++;
    else
        k = new_key(true, name ? name : "_ses", current->cred->uid, current->cred->gid,
                    POS(ALL) | USR(KEY_VIEW | KEY_READ | (name ? KEY_LINK : 0)));
    if (IS_ERR(k))
        return PTR_ERR(k);
    put_key(current->keyring.session);
    current->keyring.session = k;
    return k->serial;
}
static long search_ring(s32 id, long type, const char *desc, s32 to) {
    struct key *ring = lookup(id, false, KEY_SEARCH), *dest = NULL;
    if (IS_ERR(ring))
        return PTR_ERR(ring);
    if (!ring->keyring)
        return -ENOTDIR;
    if (to && IS_ERR(dest = lookup(to, true, KEY_WRITE)))
        return PTR_ERR(dest);
    bool possessed = id < 0 || search_own(&(struct wanted){.key = ring});
    struct wanted w = {.keyring = type == 1, .logon = type == 2, .desc = desc, .worst = -ENOKEY};
    search_number++;
    struct key *k = search(ring, possessed, &w);
    if (!k)
        return w.worst;
    if (dest && !may(k, possessed, KEY_LINK))
        return -EACCES;
    long r = dest ? link_key(dest, k) : 0;
    return r ? r : k->serial;
}

long sys_keyctl(u64 op, u64 a, u64 b, u64 c, u64 d) {
    long r = 0, type = 0;
    char *text = NULL;
    u8 *data = NULL;
    if ((u32)op == KEYCTL_JOIN_SESSION_KEYRING && a && !(text = take_string(a, MAX_DESC, &r)))
        return r;
    if (text && *text == '.') {
        kfree(text);
        return -EPERM;
    }
    if ((u32)op == KEYCTL_SEARCH) {
        if ((type = take_type(b)) < 0)
            return type == -ENODEV ? -ENOKEY : type;
        if (!(text = take_string(c, MAX_DESC, &r)))
            return r;
    }
    if ((u32)op == KEYCTL_UPDATE) {
        if (c > PAGE_SIZE)
            return -EINVAL;
        if (!(data = kmalloc(c + 1, GFP_KERNEL)))
            return -ENOMEM;
        if (c && copy_from_user(data, b, c)) {
            kfree(data);
            return -EFAULT;
        }
    }
    mutex_lock(&keys_mutex);
    switch ((u32)op) {
    case KEYCTL_GET_KEYRING_ID: {
        struct key *k = lookup(a, b, KEY_SEARCH);
        r = IS_ERR(k) ? PTR_ERR(k) : k->serial;
        break;
    }
    case KEYCTL_JOIN_SESSION_KEYRING:
        r = join_session(text);
        break;
    case KEYCTL_UPDATE: {
        struct key *k = lookup(a, false, KEY_WRITE);
        r = IS_ERR(k)               ? PTR_ERR(k)
            : k->keyring            ? -EOPNOTSUPP
            : !c || c > MAX_PAYLOAD ? -EINVAL
                                    : set_payload(k, data, c);
        break;
    }
    case KEYCTL_REVOKE:
    case KEYCTL_CHOWN:
    case KEYCTL_SETPERM:
    case KEYCTL_CLEAR:
    case KEYCTL_SET_TIMEOUT:
    case KEYCTL_INVALIDATE:
        r = change(a, op, b, c);
        break;
    case KEYCTL_DESCRIBE:
        r = describe(a, b, c);
        break;
    case KEYCTL_LINK:
    case KEYCTL_UNLINK:
        r = link_unlink(a, b, (u32)op == KEYCTL_LINK);
        break;
    case KEYCTL_SEARCH:
        r = search_ring(a, type, text, d);
        break;
    case KEYCTL_READ:
        r = read_key(a, b, c);
        break;
    default:
        r = -EOPNOTSUPP;
    }
    mutex_unlock(&keys_mutex);
    kfree(text);
    kfree(data);
    return r;
}

/* --- lives of tasks --- */
void copy_keys(struct task_struct *p) {
    p->keyring.thread = NULL;
    if (likely(!p->keyring.session))
        return;
    mutex_lock(&keys_mutex);
    p->keyring.session->refs++;
    mutex_unlock(&keys_mutex);
}
static void drop(struct key **k) {
    if (likely(!*k))
        return;
    mutex_lock(&keys_mutex);
    put_key(*k);
    *k = NULL;
    mutex_unlock(&keys_mutex);
}
void exec_keys(void) {
    drop(&current->keyring.thread);
    drop(&current->signal->keyring);
}
void exit_keys(struct task_struct *t, bool last) {
    drop(&t->keyring.thread);
    drop(&t->keyring.session);
    if (last)
        drop(&t->signal->keyring);
}
/* For the account of leaks: the users' own keyrings. */
void keys_end(void) {
    struct key_user *u;
    mutex_lock(&keys_mutex);
    list_for_each_entry(u, &users, link) {
        put_key(u->session);
        put_key(u->ring);
        u->session = u->ring = NULL;
    }
    mutex_unlock(&keys_mutex);
}
int show_keys(struct seq *s, struct task_struct *t) {
    struct key *k;
    (void)t;
    mutex_lock(&keys_mutex);
    for (u64 i = 0; (k = radix_next(&keys, &i)); i++)
        if (may(k, search_own(&(struct wanted){.key = k}) != NULL, KEY_VIEW))
            seq_printf(s, "%08x I%c----- %5u %4s %08x %5d %5d %-9s %s: %u\n", k->serial,
                       k->revoked ? 'R' : '-', k->refs,
                       !k->expiry                 ? "perm"
                       : state(k) == -EKEYEXPIRED ? "expd"
                                                  : "temp",
                       k->perm, k->uid, (s32)k->gid,
                       k->keyring ? "keyring"
                       : k->logon ? "logon"
                                  : "user",
                       k->desc, k->keyring ? k->n : k->len);
    mutex_unlock(&keys_mutex);
    return 0;
}
