"""Each process killed with -9 and restarted again and again: the others go on, values flow again.

    test_kill.py [ROUNDS]     default 100
"""
import sys
import time

from suite import Suite, run

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
SERVICES = ("bus", "sampler", "watcher")


def fresh(reader, source, boots, timeout):
    """Wait for a message of a run of SOURCE that has not been seen before."""
    _topic, body = reader.until(
        lambda _t, b: b["src"] == source and b["boot"] not in boots, timeout)
    boots.add(body["boot"])


def rounds_of(suite, reader, victim, seen):
    worst = 0
    for _ in range(ROUNDS):
        suite.kill(victim)
        begin = time.monotonic()
        suite.start(victim)
        if victim == "bus":
            # The broker is back when what others publish comes through it again.
            after = time.time() * 1e6
            reader.until(lambda _t, b: b["src"] == "sampler" and b["t"] > after, 10)
        else:
            fresh(reader, victim, seen, 10)
        worst = max(worst, time.monotonic() - begin)
        for name, process in suite.processes.items():
            assert process.poll() is None, f"{name} ended when {victim} was killed"
    return worst


def test_any_process_may_die_and_return():
    notes = []
    # Servers that come and go beside other tests have connections too.
    with Suite(*SERVICES, config="watcher: {discover: false}\n") as suite:
        reader, seen = suite.subscribe(""), set()
        for name in SERVICES:
            fresh(reader, name, seen, 10)
        for victim in SERVICES:
            growth = []
            others = [name for name in SERVICES if name != victim]
            suite.kill(victim)  # once before anything is measured
            suite.start(victim)
            if victim == "bus":
                for name in others:  # their publishing and their commands are connected again
                    reader.until(lambda _t, b, name=name: b["src"] == name, 10)
                    suite.await_service(name)
            else:
                fresh(reader, victim, seen, 10)  # it is connected: its descriptors count
            before = {name: (suite.descriptors(name), suite.memory(name)) for name in others}
            worst = rounds_of(suite, reader, victim, seen)
            assert worst < 2, f"{victim}: values flowed again after {worst:.2f} s"
            for name in others:
                descriptors, memory = before[name]
                assert suite.descriptors(name) <= descriptors + 2, \
                    f"{name}: {descriptors} descriptors before, {suite.descriptors(name)} after"
                grown = suite.memory(name) - memory
                # A leak of one connection each round would be 100 times its 8 KiB buffers and more;
                # the sanitizer's own books grow by some MB.
                assert grown < 10e6, f"{name} grew by {grown} bytes while {victim} was killed"
                growth.append(grown)
            notes.append(f"{victim} back in {worst:.2f} s at worst, "
                         f"others grew by {max(growth) / 1e3:.0f} kB at most")
        reader.close()
    return f"{ROUNDS} rounds each: " + ", ".join(notes)


run(test_any_process_may_die_and_return)
