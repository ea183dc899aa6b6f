"""CPU and memory of the suite at rest, as a table.

    MLX_BIN=.build/release/bin python tests/bench/idle.py [SECONDS] [SERVICE...]

Proportional set size (shared pages divided by their users) and CPU time of each process over the span,
at 1 Hz with nothing generating.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "suite"))
from suite import Suite  # noqa: E402


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    services = sys.argv[2:] or ["bus", "sampler", "watcher"]
    with Suite(*services) as suite:
        reader = suite.subscribe("sensor.memory")
        reader.until(lambda *_: True, 20)
        reader.close()
        time.sleep(5)
        before = {name: cpu_seconds(process.pid) for name, process in suite.processes.items()}
        time.sleep(seconds)
        print(f"{'service':<12}{'CPU, % of a core':>18}{'PSS, MB':>10}{'RSS, MB':>10}")
        total = [0, 0, 0]
        for name, process in suite.processes.items():
            row = (100 * (cpu_seconds(process.pid) - before[name]) / seconds,
                   suite.memory(name) / 1e6, resident(process.pid) / 1e6)
            total = [sum(pair) for pair in zip(total, row)]
            print(f"{name:<12}{row[0]:>18.3f}{row[1]:>10.1f}{row[2]:>10.1f}")
        print(f"{'sum':<12}{total[0]:>18.3f}{total[1]:>10.1f}{total[2]:>10.1f}")


main()
