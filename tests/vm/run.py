"""Boots the real image and checks it: python3 run.py [--results JUNIT.xml] [--keep] [--until SECONDS] [LANE...]

Two machines run side by side. A lane is a sequence of boots of one machine; each check has a name, and a lane stops at a check that
fails only when the later ones need it. A check that fails keeps what its machines say in a folder that is printed with it.
"""

import argparse
import json
import shutil
import threading
import time
import traceback
from pathlib import Path
from xml.sax.saxutils import quoteattr

import evidence
import lanes
from machine import CACHE


# When each lane ran last, and how long it took, on this machine.
HISTORY = CACHE / "lanes.json"
ALL = {**lanes.LANES, **lanes.LONG_LANES}


class Report:
    def __init__(self, folder):
        self.cases = []
        self.lock = threading.Lock()
        self.folder = folder  # for what failing checks leave

    def check(self, lane, name, action, machines):
        """Runs one check; says and keeps how it went. Returns whether it passed."""
        begin, failure = time.monotonic(), None
        try:
            action()
        except Exception as error:  # whatever a check meets is that check's failure
            failure = str(error) or repr(error)
            if not isinstance(error, AssertionError):
                failure += "\n" + traceback.format_exc()
            failure = self.keep(lane, name, machines) + failure
        seconds = time.monotonic() - begin
        with self.lock:
            self.cases.append((lane, name, seconds, failure))
            print(f"{'FAIL' if failure else 'ok  '} {lane}: {name} ({seconds:.0f} s)" + (f"\n     {failure}" if failure else ""), flush=True)
        return failure is None

    def keep(self, lane, name, machines):
        """The beginning of a failure's text: where its evidence lies."""
        place = self.folder / evidence.folder_name(lane) / evidence.folder_name(name)
        try:
            evidence.keep(machines, place)
        except Exception as error:  # the check's own failure is what matters
            return f"[{place}, not whole: {error!r}] "
        return f"[{place}] "

    def write(self, path):
        with open(path, "w") as out:
            out.write("<testsuite name='vm'>\n")
            for lane, name, seconds, failure in self.cases:
                out.write(f"<testcase classname={quoteattr(lane)} name={quoteattr(name)} time='{seconds:.1f}'>")
                out.write(f"<failure message={quoteattr(failure)}/>" if failure else "")
                out.write("</testcase>\n")
            out.write("</testsuite>\n")


class History:
    """Which lanes are due: with a limit of time, those come first that have not run for longest."""

    def __init__(self):
        self.lanes = json.loads(HISTORY.read_text()) if HISTORY.exists() else {}
        self.lock = threading.Lock()

    def due(self, names):
        return sorted(names, key=lambda name: self.lanes.get(name, {"end": 0})["end"])

    def fits(self, name, seconds):
        """Whether a lane would end in time. One that never ran here is started while there is any."""
        return seconds > self.lanes.get(name, {"seconds": 0})["seconds"]

    def ran(self, name, seconds):
        with self.lock:
            self.lanes[name] = {"end": time.time(), "seconds": seconds}
            HISTORY.write_text(json.dumps(self.lanes))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", metavar="JUNIT.xml")
    parser.add_argument("--keep", action="store_true", help="leave the machines for a look")
    parser.add_argument("--until", type=float, metavar="SECONDS", help="since 1970: start no lane that would not end by then, and say which")
    parser.add_argument("--all", action="store_true", help="the long lanes, too")
    parser.add_argument("lanes", nargs="*", metavar="LANE", help=", ".join(ALL))
    options = parser.parse_args()
    folder = Path(options.results).parent / "vm-failed" if options.results else CACHE / "vm-failed"
    shutil.rmtree(folder, ignore_errors=True)
    report = Report(folder.resolve())
    history, left_out = History(), []
    names = options.lanes or list(ALL if options.all else lanes.LANES)
    waiting = history.due(names) if options.until else names

    def work():
        while waiting:
            name = waiting.pop(0)
            if options.until and not history.fits(name, options.until - time.time()):
                left_out.append(name)
                continue
            lane, machines, begin = ALL[name], [], time.monotonic()
            try:
                lane(lambda text, action: report.check(name, text, action, machines), machines)
            except lanes.Stop:
                pass
            except Exception:
                error = traceback.format_exc()
                report.check(name, "the lane runs to its end", lambda: (_ for _ in ()).throw(AssertionError(error)), machines)
            for machine in machines:
                machine.vm("cut" if options.keep else "rm", check=False)
            history.ran(name, time.monotonic() - begin)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in left_out:
        print(f"not run for want of time: {name}", flush=True)
    if options.results:
        report.write(options.results)
    return 1 if any(failure for *_, failure in report.cases) else 0


raise SystemExit(main())
