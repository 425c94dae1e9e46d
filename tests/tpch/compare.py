"""TPC-H: Weir's answers and times beside DuckDB's, on the same Parquet files.

usage: compare.py WEIR DATA THREADS [RATIO]

Runs every query of this folder once on each side (after one unmeasured run that
warms the file cache, if RATIO is given) and fails when an answer differs, or when
Weir's total time is more than RATIO times DuckDB's. DuckDB runs the same text. Its
averages and quotients of decimals are floating-point numbers, Flink's are decimals of
six places or more: numbers may differ by a millionth of themselves or of one, whichever
is more. Everything else is compared exactly, rows in the order of the query.
"""

import csv
import io
import pathlib
import re
import subprocess
import sys
import time

import duckdb

HERE = pathlib.Path(__file__).parent
TABLES = ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"]


NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")


def cell(value):
    """A value as text."""
    return "" if value is None else str(value)


def equal(a, b):
    """Whether two cells are the same value."""
    if a == b:
        return True
    if not (NUMBER.fullmatch(a) and NUMBER.fullmatch(b)):
        return False
    x, y = float(a), float(b)
    return abs(x - y) <= 1e-6 * max(1.0, abs(y))


def equal_rows(ours, theirs):
    """Whether two answers are the same."""
    return len(ours) == len(theirs) and all(
        len(a) == len(b) and all(map(equal, a, b)) for a, b in zip(ours, theirs)
    )


def weir(binary, data, threads, query):
    """Rows and seconds, the whole process."""
    script = (HERE / "tables.sql").read_text().replace("${DATA}", str(data)) + query
    begin = time.perf_counter()
    run = subprocess.run(
        [binary, "run", "-", "-p", str(threads), "--format", "csv"],
        input=script,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - begin
    if run.returncode != 0:
        raise RuntimeError(run.stderr.strip())
    # The csv module reads an empty line, which is one NULL, as no cell at all.
    rows = list(csv.reader(io.StringIO(run.stdout)))[1:]
    return [[cell(v) for v in row] or [""] for row in rows], seconds


def duck(connection, query):
    """Rows and seconds of the query alone."""
    begin = time.perf_counter()
    rows = connection.execute(query.replace("`", '"')).fetchall()
    seconds = time.perf_counter() - begin
    return [[cell(v) for v in row] for row in rows], seconds


def main():
    binary, data, threads = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    ratio = float(sys.argv[4]) if len(sys.argv) > 4 else None
    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")
    for table in TABLES:
        file = data / f"{table}.parquet"
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{file}')")
    failed, total = [], [0.0, 0.0]
    for file in sorted(HERE.glob("q*.sql")):
        query = file.read_text().strip().rstrip(";")
        try:
            if ratio is not None:
                weir(binary, data, threads, query + ";")
                duck(connection, query)
            ours, our_seconds = weir(binary, data, threads, query + ";")
            theirs, their_seconds = duck(connection, query)
        except RuntimeError as e:
            failed.append(f"{file.stem}: {e}")
            print(f"{file.stem}  FAILED", flush=True)
            continue
        total[0] += our_seconds
        total[1] += their_seconds
        same = equal_rows(ours, theirs)
        if not same:
            difference = next((p for p in zip(ours, theirs) if not equal_rows(*([r] for r in p))), None)
            failed.append(
                f"{file.stem}: {len(ours)} rows, DuckDB {len(theirs)}; first difference {difference}"
            )
        mark = "equal" if same else "DIFFERENT"
        print(f"{file.stem}  weir {our_seconds:7.3f} s  duckdb {their_seconds:7.3f} s  {mark}", flush=True)
    print(f"total  weir {total[0]:.2f} s  duckdb {total[1]:.2f} s  ratio {total[0] / max(total[1], 1e-9):.2f}")
    for text in failed:
        print(text)
    if ratio is not None and total[0] > ratio * total[1]:
        failed.append("time")
        print(f"Weir took more than {ratio} times as long as DuckDB")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
