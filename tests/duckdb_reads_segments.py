#!/usr/bin/env python3
"""Reads segments of a catalog as any user of DuckDB would, and says what is in them.

    duckdb_reads_segments.py [--keys] SEGMENT.parquet...

Exits with 1 when the columns are not those of docs/catalog.md, or when a pinned row lacks what a
pinned row has. With --keys it prints bucket, key, version and SHA-256 of each pinned row, one row
a line, separated by tabs. Needs the Python module duckdb, from 1.1 on.
"""

import argparse
import sys

import duckdb

COLUMNS = {
    "path": ["VARCHAR"],
    "type": ["VARCHAR"],
    "size": ["BIGINT"],
    "inode": ["BIGINT"],
    # DuckDB 1.1 reads microseconds, 2.0 nanoseconds.
    "mtime": ["TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"],
    "ctime": ["TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"],
    "layout": ["BIGINT"],
    "flags": ["INTEGER"],
    "path_bytes": ["BLOB"],
    "mode": ["BIGINT"],
    "uid": ["BIGINT"],
    "gid": ["BIGINT"],
    "category": ["VARCHAR"],
    "bucket": ["VARCHAR"],
    "crc64": ["BLOB"],
    "sha256": ["BLOB"],
    "prefix": ["VARCHAR"],
    "key": ["VARCHAR"],
    "version": ["VARCHAR"],
    "etag": ["VARCHAR"],
    "encoding": ["VARCHAR"],
    "stored_size": ["BIGINT"],
    "link_target": ["VARCHAR"],
    "link_target_bytes": ["BLOB"],
    "link_group": ["BIGINT"],
    "device": ["BIGINT"],
    "xattrs": ["BLOB"],
}

TYPES = [
    "file",
    "directory",
    "symlink",
    "fifo",
    "socket",
    "character-device",
    "block-device",
]

# The key of a row's object: see docs/catalog.md.
KEY = "coalesce(key, 'data/' || prefix || '/' || path)"

# Rows that no segment has.
WRONG = f"""
    SELECT count(*) FROM segments
    WHERE type NOT IN {tuple(TYPES)}
       OR size < 0
       OR path = ''
       OR starts_with(path, '/')
       OR (prefix IS NOT NULL AND key IS NOT NULL)
       OR (bucket IS NULL) <> ({KEY} IS NULL)
       OR (bucket IS NULL) <> (version IS NULL)
       OR (bucket IS NULL) <> (etag IS NULL)
       OR (bucket IS NULL AND sha256 IS NOT NULL)
       OR (encoding IS NOT NULL AND sha256 IS NULL)
       OR (bucket IS NULL) <> (crc64 IS NULL)
       OR encoding NOT IN ('zstd', 'gzip')
       OR (encoding IS NULL) <> (stored_size IS NULL)
       OR (encoding IS NOT NULL AND bucket IS NULL)
       OR octet_length(sha256) <> 32
       OR octet_length(crc64) <> 8
"""

SUMMARY = """
    SELECT coalesce(bucket, '-'), type, count(*), sum(size)::BIGINT, max(mtime)::VARCHAR
    FROM segments GROUP BY ALL ORDER BY ALL
"""

KEYS = f"""
    SELECT bucket, {KEY}, version, coalesce(lower(hex(sha256)), '-')
    FROM segments WHERE bucket IS NOT NULL ORDER BY 1, 2
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", action="store_true", help="print each pinned object")
    parser.add_argument("segment", nargs="+")
    arguments = parser.parse_args()

    connection = duckdb.connect()
    connection.read_parquet(arguments.segment).create("segments")
    described = connection.sql("DESCRIBE segments").fetchall()
    found = {name: kind for name, kind, *_ in described}
    if list(found) != list(COLUMNS):
        print(f"other columns: {list(found)}", file=sys.stderr)
        return 1
    for name, kind in found.items():
        if kind not in COLUMNS[name]:
            print(f"{name} is {kind}, not {COLUMNS[name][0]}", file=sys.stderr)
            return 1
    wrong = connection.sql(WRONG).fetchall()[0][0]
    if wrong:
        print(f"{wrong} rows are not a segment's", file=sys.stderr)
        return 1
    for row in connection.sql(KEYS if arguments.keys else SUMMARY).fetchall():
        print(*row, sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main())
