"""Measure gate4netns beside slirp4netns, pasta, a veth pair and loopback, in one run.

Rounds are paired: in every round each cell measures each row once, row after row, so that what
else the machine does falls on all of them. A ratio is the median of the ratios of the rounds.
README.md says what each cell and each row is.
"""
import argparse
import contextlib
import fnmatch
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]

import cells as c  # noqa: E402
import rows as r  # noqa: E402
import world as w  # noqa: E402

BASE, FLOOR = "slirp4netns", "native"
COLUMNS = "{:<17} {:<16} {:>11} {:>23} {:<7} {:>9} {:>9}"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="one short round: does it work at all?")
    parser.add_argument("--rounds", type=int, default=5, help="paired rounds (5)")
    parser.add_argument("--seconds", type=float, default=2, help="length of one measurement (2)")
    parser.add_argument("--cells", default="*", help="comma-separated patterns: rr,up-*,*-65520-1")
    parser.add_argument("--rows", default="*", help="comma-separated patterns: gate4netns,native")
    parser.add_argument("--json", metavar="FILE", help="JSON lines go there instead of after the table")
    parser.add_argument("--list", action="store_true", help="show the names of cells and rows")
    parser.add_argument("--idle", type=int, default=10000, help="idle connections held (10000)")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.idle = 1, 0.5, 1000
    return options


def chosen(items, patterns):
    return [item for item in items
            if any(fnmatch.fnmatch(item.name, p.strip()) for p in patterns.split(","))]


def compiled(folder):
    program = folder / "probe"
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", program, HERE / "probe.c"], check=True)
    program.chmod(0o755)
    return program


def make_rows(world, stack):
    found = [r.Gate("gate4netns", world, stack, w.binary(), "--guest-loopback",
                        GATE4NETNS_TCP="native", GATE4NETNS_UDP="native"),
             r.UserMode("gate4netns-slirp", world, stack, w.binary(), GATE4NETNS_TCP="slirp",
                        GATE4NETNS_UDP="slirp"),
             r.Linked("gate4netns-seqpacket", world, stack, w.binary(), "--link=seqpacket:{}",
                      "--link={}"),
             r.Linked("gate4netns-tap-from", world, stack, w.binary(), "--tap-from={}",
                      "--send={}")]
    if shutil.which(BASE):
        found.append(r.UserMode(BASE, world, stack, shutil.which(BASE)))
    if shutil.which("pasta"):
        found.append(r.Pasta("pasta", world, stack, shutil.which("pasta")))
    if shutil.which("rootlesskit") and shutil.which(BASE):
        found.append(r.RootlessKit("rootlesskit", world, stack, shutil.which("rootlesskit")))
    return found + [r.Veth("veth", world, stack), r.Native(FLOOR, world, stack)]


def run_round(cell, rows, results):
    """One measurement of every row. A row that stalled once is not asked again for this cell."""
    for row in rows:
        series = results[row.name]
        if series["why"]:
            continue
        try:
            values = cell.measure(row)
            if values is None:
                series["why"] = "has none"
            else:
                series["rounds"].append(values)
        except (c.Stalled, AssertionError, subprocess.SubprocessError) as why:
            series["why"] = str(why).split("\n", maxsplit=1)[0]


def ratio(results, cell, row, base, part):
    """Median over the paired rounds; above 1 the row is better than the base."""
    mine, theirs = results[row], results.get(base)
    if not theirs or mine["why"] or theirs["why"]:
        return None
    pairs = [(a[part], b[part]) for a, b in zip(mine["rounds"], theirs["rounds"])]
    return statistics.median(a / b if cell.higher_is_better else b / a for a, b in pairs)


def records(cell, results):
    """One JSON object for each row and series of a finished cell."""
    parts = {part: None for result in results.values() for values in result["rounds"] for part in values}
    for part in parts or [""]:
        for row, result in results.items():
            values = [] if result["why"] else [values[part] for values in result["rounds"]]
            yield {"cell": f"{cell.name} {part}".strip(), "row": row, "unit": cell.unit,
                   "better": "higher" if cell.higher_is_better else "lower",
                   "median": statistics.median(values) if values else None, "values": values,
                   f"to_{BASE}": ratio(results, cell, row, BASE, part) if values else None,
                   f"to_{FLOOR}": ratio(results, cell, row, FLOOR, part) if values else None,
                   "why": result["why"]}


def digits(value, unit):
    return f"{value:.0f}" if unit in ("1/s", "KiB", "B") else f"{value:.2f}"


def show(record):
    unit, values = record["unit"], record["values"]
    if not values:
        print(COLUMNS.format(record["cell"], record["row"], "n/a", record["why"][:60], "", "", ""))
        return
    ratios = ["" if record[f"to_{base}"] is None else f"{record[f'to_{base}']:.2f}"
              for base in (BASE, FLOOR)]
    span = f"{digits(min(values), unit)} .. {digits(max(values), unit)}"
    print(COLUMNS.format(record["cell"], record["row"], digits(record["median"], unit), span, unit,
                         *ratios))


def measure_all(options, world, rows, out):
    server = world.spawn(world.host, world.tmp / "probe", "serve", r.PROBE_PORT, ready_line="ready")
    lines = []
    print(COLUMNS.format("cell", "row", "median", "lowest .. highest", "unit", "/slirp4", "/native"))
    for cell in chosen(c.all_cells(world.tmp / "probe", options.seconds, options.idle),
                       options.cells):
        results = {row.name: {"rounds": [], "why": None} for row in rows}
        for turn in range(options.rounds):
            run_round(cell, rows if turn % 2 == 0 else rows[::-1], results)
        for record in records(cell, results):
            lines.append(record)
            show(record)
        print(flush=True)
    print("A ratio above 1: better than slirp4netns, better than native.")
    for record in lines:
        out.write(json.dumps(record) + "\n")
    server.kill()


def raise_open_files(idle):
    """Some take the limit that they are given, and some need two descriptors for a connection."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(PermissionError, ValueError):
        hard = max(hard, 4 * idle)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    options = arguments()
    raise_open_files(options.idle)
    with w.World(rootless=True) as world, contextlib.ExitStack() as stack:
        world.host.run("ip", "route", "add", "default", "via", w.INET4)    # what pasta copies
        rows = chosen(make_rows(world, stack), options.rows)
        if options.list:
            print("rows: ", *(row.name for row in rows))
            print("cells:", *(cell.name for cell in c.all_cells("probe", options.seconds, options.idle)))
            return
        compiled(world.tmp)
        out = stack.enter_context(open(options.json, "w", encoding="utf-8")) if options.json \
            else sys.stdout
        measure_all(options, world, rows, out)


if __name__ == "__main__":
    main()
