#!/usr/bin/env python3
"""Makes, changes and compares the trees of compare.sh.

trees.py small DIR COUNT   COUNT files of 0 to 2 KiB, a hundred in a directory
trees.py real DIR          a copy of /usr/share, and names that tools get wrong
trees.py change DIR        1 % of the files: most written anew, some removed, some added
trees.py equal DIR DIR     whether two trees hold the same files (exit code)
"""

import filecmp
import os
import random
import subprocess
import sys

# Names that every one of the tools compared can send to S3.
AWKWARD = [" lead", "trail ", "a%2Fb", "100%", "#x", "a?b", "a&b+c", "café", "cafe\u0301", "日本語", "'\"", "a;b,c=d"]


def write(path, random_bytes):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(random_bytes)


def small(root, count):
    source = random.Random(1)
    for index in range(int(count)):
        path = f"{root}/{index // 10_000:02}/{index // 100 % 100:02}/{index:06}.dat"
        write(path, source.randbytes(source.randrange(2048)))


def real(root):
    # Links stay links; nothing is left out but what is not a file, a directory or a link.
    subprocess.run(["cp", "-a", "/usr/share", root], check=True)
    for name in AWKWARD:
        write(f"{root}/awkward/{name}/{name}", name.encode())


def files(root):
    for directory, directories, names in os.walk(root):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                yield path


def change(root):
    source = random.Random(2)
    for index, path in enumerate(list(files(root))[::100]):
        match index % 10:
            case 0:
                os.remove(path)
            case 1:
                write(f"{path}.new", source.randbytes(1024))
            case _:
                write(path, source.randbytes(1024))


def equal(left, right):
    of_left = {os.path.relpath(path, left) for path in files(left)}
    of_right = {os.path.relpath(path, right) for path in files(right)}
    _, different, unread = filecmp.cmpfiles(left, right, of_left & of_right, shallow=False)
    wrong = sorted(of_left ^ of_right) + different + unread
    if wrong:
        sys.exit(f"{len(wrong)} files differ, {wrong[0]!r} for one")


def main(verb, *arguments):
    verbs = {"small": small, "real": real, "change": change, "equal": equal}
    verbs[verb](*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
