#!/usr/bin/python3
"""The journal's protocol (docs/storage.md), explored: all interleavings of a few handles, commits, a checkpoint and the flusher, and in each state
each set of writes that a power cut may have left on the disk. After the replay what belongs together must be there together, and whatever was
acknowledged. model.py [-v] [--more]; each of MUTANTS breaks one rule, and must be found: a model that finds nothing proves nothing. What breaks a rule
of BELT alone does no harm: a page that is dirty is in the log too, whose replay puts it right.

Two worlds. `together`: pages D (a directory) and N (inodes); a handle raises a count in D, and one in an inode in memory, which it copies to N. After
any cut D = N. `reuse`: a block X is metadata, is freed, and then is a file's data; N says which. X must hold what N says.

A step is what the code does under a lock, or a single store. The device keeps `place` (what is in its place) and the log durable at a flush;
of the writes since then any set may be on the disk, in any order."""
import itertools
import sys

# rule broken -> the world that shows it
MUTANTS = {
    "copy-in-commit": "together",     # a commit copies inodes that it finds in a list, which the flusher has in hand (the tree of 2026-11-28)
    "copy-after-handle": "together",  # the inode is copied when the handle has ended
    "copy-before-change": "together",
    "copy-unlocked": "together",      # two copies at once: the older one may be the last
    "handles-in-freeze": "together",  # a commit does not wait for open handles
    "release-early": "together",      # pages are dirty before the commit block is on the disk
    "no-barrier": "together",         # the commit block is written with the copies
    "empty-early": "together",        # a checkpoint does not wait for pages that another has on the way
    "no-revoke": "reuse",
    "reuse-early": "reuse",           # a freed block is taken before the commit that frees it
    "data-late": "reuse",             # data are written after the commit that shows them
}
BELT = {
    "writeback-in-handle": "together",  # a page is changed while the device reads it
    "dirty-in-handle": "together",      # a page that joins is still dirty: the flusher writes what is not committed
    "release-joined": "together",       # a page that has joined the next transaction is made dirty by the last one's commit
}
MORE = "--more" in sys.argv


class State:
    """All of the system. Copied for each step."""
    FIELDS = ("mem", "inode", "unsaved", "listed", "running", "joined_new", "dirty", "wb", "handles", "shut", "tid", "frozen", "freed", "freed_committing", "revoked",
              "revoked_committing", "done", "acked", "place", "log", "start", "pending", "pcs", "data", "tmp")

    def copy(self):
        s = State()
        for f in self.FIELDS:
            v = getattr(self, f)
            setattr(s, f, dict(v) if isinstance(v, dict) else list(v) if isinstance(v, list) else v)
        return s

    def key(self):
        return tuple(tuple(sorted(v.items())) if isinstance(v, dict) else tuple(v) if isinstance(v, list) else v for v in (getattr(self, f) for f in self.FIELDS))


def first(threads, x_is):
    s = State()
    s.mem, s.inode, s.unsaved, s.listed = {"D": 0, "N": 0, "X": x_is}, 0, False, True
    s.running, s.joined_new, s.dirty, s.wb = frozenset(), 0, frozenset(), frozenset()
    s.handles, s.shut, s.tid, s.frozen = 0, False, 1, {}
    s.freed = s.freed_committing = s.revoked = s.revoked_committing = False
    s.done, s.acked = 0, 0
    s.place, s.log, s.start, s.pending = {"D": 0, "N": 0, "X": x_is}, {}, 1, []
    s.pcs, s.data, s.tmp = [0] * threads, None, {}
    return s


# --- the device ---
def write(s, key, value):
    s.pending.append((key, value))


def put(place, log, start, key, value):
    if key == "start":
        return value
    if isinstance(key, tuple):
        log[key] = value
    else:
        place[key] = value
    return start


def flush(s):
    for key, value in s.pending:
        s.start = put(s.place, s.log, s.start, key, value)
    s.pending = []
    s.log = {k: v for k, v in s.log.items() if k[0] >= s.start}  # what is older is of no interest


def after_cut(s, chosen):
    """place, after a replay, or a word if it cannot be."""
    place, log, start = dict(s.place), dict(s.log), s.start
    for key, value in chosen:
        start = put(place, log, start, key, value)
    last = start - 1
    while (last + 1, "commit") in log:
        last += 1
    revoked = max([t for t in range(start, last + 1) if log.get((t, "revoke"))], default=0)
    for t in range(start, last + 1):
        for page in log[t, "commit"]:
            if (t, page) not in log:
                return f"the log has a hole: transaction {t}"
            if not (page == "X" and t <= revoked):
                place[page] = log[t, page]
    return place


# --- what threads do: step(s) is False where it must wait, else the next pc ---
def begin(s, _):
    if s.shut:
        return False
    s.handles += 1


def end(s, _):
    s.handles -= 1
    s.done += 1


def access(page):
    def step(s, m):
        if page in s.wb and m != "writeback-in-handle":
            return False
        if m != "dirty-in-handle":
            s.dirty -= {page}
        s.running |= {page}
    return step


def count_name(s, _):
    s.mem["D"] += 1


def count_link(s, m):
    s.inode += 1
    if m == "copy-in-commit":
        s.unsaved = True


def copy_inode(s, m):
    if m != "copy-in-commit":
        s.mem["N"] = s.inode


def read_inode(w):
    def step(s, _):
        s.tmp[w] = s.inode
    return step


def store_inode(w):
    def step(s, _):
        s.mem["N"] = s.tmp.pop(w)
    return step


def handle(mutant, w):
    copy = [read_inode(w), store_inode(w)] if mutant == "copy-unlocked" else [copy_inode]
    steps = [begin, access("D"), count_name, access("N"), count_link, *copy, end]
    if mutant == "copy-after-handle":
        steps = steps[:5] + [end, *copy]
    if mutant == "copy-before-change":
        steps[4], steps[5] = steps[5], steps[4]
    return steps


def commit(mutant, checkpoint):
    def close(s, _):
        s.shut = True
        s.tmp["want"] = s.done

    def quiet(s, m):
        if s.handles and m != "handles-in-freeze":
            return False
        if m == "copy-in-commit" and s.listed and s.unsaved:
            s.mem["N"], s.unsaved = s.inode, False

    def ordered(s, m):
        if s.data and m != "data-late":
            write(s, "X", s.data)
            s.data = None

    def freeze(s, m):
        s.frozen, s.running = {p: s.mem[p] for p in s.running}, frozenset()
        s.revoked_committing, s.revoked = s.revoked, False
        s.freed_committing, s.freed = s.freed, False
        s.tid += 1
        s.shut = checkpoint
        for p, v in sorted(s.frozen.items()):
            write(s, (s.tid - 1, p), v)
        if s.revoked_committing and m != "no-revoke":
            write(s, (s.tid - 1, "revoke"), True)

    def barrier(s, m):
        if m == "release-early":
            release(s, m)
        if m != "no-barrier":
            flush(s)

    def commit_block(s, _):
        write(s, (s.tid - 1, "commit"), tuple(sorted(s.frozen)))

    def barrier_again(s, m):
        flush(s)
        s.acked = max(s.acked, s.tmp.pop("want"))
        s.freed_committing = s.revoked_committing = False
        if s.data and m == "data-late":
            write(s, "X", s.data)
            s.data = None

    def release(s, m):
        s.dirty |= frozenset(p for p in s.frozen if p in s.mem and (m == "release-joined" or p not in s.running))
        s.frozen = {}

    def in_place(s, m):
        if s.wb and m != "empty-early":
            return False
        for p in sorted(s.dirty):
            write(s, p, s.mem[p])
        s.dirty = frozenset()

    def place_barrier(s, _):
        flush(s)

    def empty(s, _):
        write(s, "start", s.tid)

    def reopen(s, _):
        flush(s)
        s.shut = False
    steps = [close, quiet, ordered, freeze, barrier, commit_block, barrier_again, release]
    return steps + [in_place, place_barrier, empty, reopen] if checkpoint else steps


def flusher(page):
    def start(s, _):
        if page not in s.dirty:
            return False
        s.dirty -= {page}
        s.wb |= {page}

    def finish(s, _):  # the device may read the page as late as now
        write(s, page, s.mem[page])
        s.wb -= {page}
    return [start, finish]


def holder():
    """What flushes inodes takes them out of the list of dirty ones, and gives them back."""
    def take(s, _):
        s.listed = False

    def give(s, _):
        s.listed = True
    return [take, give]


# --- a block's lives ---
def change_x(s, _):
    s.mem["X"], s.mem["N"] = "meta", "meta"


def free_x(s, _):
    if "X" in s.wb:
        return False
    s.mem["N"] = "free"
    s.mem.pop("X", None)  # forgotten: neither dirty nor logged
    s.running -= {"X"}
    s.dirty -= {"X"}
    s.freed = s.revoked = True


def take_x(s, m):
    if (s.freed or s.freed_committing) and m != "reuse-early":
        return False
    if s.mem["N"] != "free" or "X" in s.wb:
        return False
    s.mem["N"], s.data = "data", "data"


WORLDS = {
    "together": {
        "threads": lambda m: [handle(m, "a") * 2, handle(m, "b") * (1 + MORE), commit(m, False) + commit(m, True) + commit(m, False) * MORE, flusher("D") * (1 + MORE),
                                 flusher("N")] +
        ([holder()] if m == "copy-in-commit" else []),
        "x": None, "together": lambda place, s: place["D"] == place["N"] >= s.acked},
    "reuse": {
        "threads": lambda m: [[begin, access("N"), access("X"), change_x, end], [begin, access("N"), free_x, end, begin, access("N"), take_x, end],
                              commit(m, True) + commit(m, False) * 3, flusher("X"), flusher("N")],
        "x": "old", "together": lambda place, s: place["N"] == 0 or place["N"] == "free" or place["X"] == place["N"]},
}


def explore(world, mutant=None):
    """States, disks looked at, and the first way to a disk that is wrong (or None)."""
    w = WORLDS[world]
    threads = w["threads"](mutant)
    s = first(len(threads), w["x"])
    if world == "reuse":
        s.pcs[1] = 0
    stack, seen, disks, looked = [(s, ())], set(), 0, set()
    while stack:
        s, way = stack.pop()
        disk = (tuple(sorted(s.place.items(), key=str)), tuple(sorted(s.log.items(), key=str)), s.start, tuple(s.pending), s.acked)
        if disk not in looked:
            looked.add(disk)
            for n in range(len(s.pending) + 1):
                for chosen in itertools.permutations(s.pending, n) if n <= 2 else itertools.combinations(s.pending, n):
                    disks += 1
                    place = after_cut(s, chosen)
                    if isinstance(place, str) or not w["together"](place, s):
                        return len(seen), disks, (way, chosen, place)
        for t, steps in enumerate(threads):
            if s.pcs[t] == len(steps):
                continue
            if world == "reuse" and t == 1 and s.pcs[1] == 0 and s.pcs[0] < 5:
                continue  # it is freed after it was used
            nxt = s.copy()
            if steps[s.pcs[t]](nxt, mutant) is False:
                continue
            nxt.pcs[t] += 1
            k = nxt.key()
            if k not in seen:
                seen.add(k)
                stack.append((nxt, way + ((t, steps[s.pcs[t]].__name__),)))
    return len(seen), disks, None


def main():
    failed = False
    for world in WORLDS:
        states, disks, wrong = explore(world)
        print(f"{world}: {states} states, {disks} disks: {wrong or 'all as they should be'}")
        failed |= wrong is not None
    for mutant, world in MUTANTS.items():
        states, disks, wrong = explore(world, mutant)
        print(f"{mutant}: {'found in %d states' % states if wrong else 'NOT FOUND in %d states, %d disks' % (states, disks)}")
        if "-v" in sys.argv and wrong:
            print("   ", *wrong)
        failed |= wrong is None
    for rule, world in BELT.items():
        states, disks, wrong = explore(world, rule)
        print(f"{rule}, a belt beside braces: {wrong or 'no harm in %d states, %d disks' % (states, disks)}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
