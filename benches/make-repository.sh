#!/usr/bin/env bash
# Makes a bare repository of 15,000 files and about 100 MB of text that compresses like source code: make-repository.sh DIR
# The same bytes, and so the same commit, on every machine. Takes a few seconds; needs git and python3.
set -euo pipefail
dir=${1:?usage: make-repository.sh DIR}
[ ! -e "$dir" ] || { echo "$dir exists already; remove it first" >&2; exit 1; }
git init -q --bare -b main "$dir"

python3 - <<'PY' | git -C "$dir" -c core.bigFileThreshold=1g fast-import --quiet --depth=0
import random, sys
rnd = random.Random(20240917)
# Bounded draws are written out, because only random() itself is promised to give the same numbers in every release.
pick = lambda items: items[int(rnd.random() * len(items))]
letters = "etaoinshrdlucmfwypvbgk"
words = ["".join(pick(letters) for _ in range(3 + int(rnd.random() * 8))) for _ in range(3000)]
common = words[:150]
shapes = ["let {} = {}.{}({});", "if {} == {} {{ return {}; }} // {}", "fn {}({}: {}) -> {} {{", "}}  // {} {} {} {}", "{}: {{{}: {}, {}}},",
          "/// {} {} the {} of {}.", "use {}::{}::{{{}, {}}};", "{}.{}(|{}| {}.clone())?;"]
def line():
    names = [pick(common) if rnd.random() < 0.6 else pick(words) for _ in range(4)]
    return " " * (4 * int(rnd.random() * 4)) + pick(shapes).format(*names) + "\n"
out = sys.stdout.buffer
paths = []
for folder in range(600):
    pool = [line() for _ in range(700)]
    for file in range(25):
        mean = 60 if rnd.random() < 0.6 else 245
        text = "".join(pick(pool) for _ in range(10 + int(rnd.random() * 2 * mean))).encode()
        out.write(b"blob\nmark :%d\ndata %d\n" % (len(paths) + 1, len(text)) + text + b"\n")
        paths.append(f"src/{words[folder % 30]}/{words[folder // 30]}{folder}/{words[file]}{file}.rs")
out.write(b"commit refs/heads/main\nmark :1000000\nauthor bench <bench@example.com> 1700000000 +0000\n"
          b"committer bench <bench@example.com> 1700000000 +0000\ndata 16\nfifteen thousand\n")
for mark, path in enumerate(paths, 1):
    out.write(f"M 100644 :{mark} {path}\n".encode())
PY
git -C "$dir" -c pack.threads=1 gc -q 2>/dev/null
git -C "$dir" ls-tree -r -l main | awk '{ n++; b += $4 } END { printf "%d files, %.1f MB\n", n, b / 1e6 }'
