"""Submissions as MOSS and JPlag take them: students/NAME/FILE, and base/FILE with what everybody was given."""
import os

import submission


def pack(lab, starter, what, out):
    def put(folder, files):
        for path, data in files.items():
            target = os.path.join(out, folder, path.replace("/", "_"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            lines = [line.rstrip() for line in data.decode(errors="replace").expandtabs(4).splitlines()]
            with open(target, "w", encoding="utf-8") as f:
                f.write("\n".join(lines) + "\n")
    put("base", starter)
    latest, left_out = {}, []
    for w in what:
        name, t = submission.student(w), submission.when(w)
        if name not in latest or (t and latest[name][1] and t > latest[name][1]):
            latest[name] = (w, t)
    for name, (w, _) in sorted(latest.items()):
        try:
            put(os.path.join("students", name), submission.read(w, lab, starter)[0])
        except submission.Unreadable as e:
            left_out.append(f"{name}: {e}")
    print(f"{len(latest) - len(left_out)} students in {out}/students, what they were given in {out}/base")
    print(f"    moss -l c -d -b {out}/base/* {out}/students/*/*.c")
    print(f"    java -jar jplag.jar -l c -bc base -r {out}/report {out}/students")
    for line in left_out:
        print("left out: " + line)
    return 0
