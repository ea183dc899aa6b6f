"""CPU of the watcher at rest beside doubles of model servers, their logs included.

    unshare -rn sh -c 'ip link set lo up; MLX_BIN=BIN python tests/bench/idle_runtimes.py [SECONDS] [ROLE...]'

ROLE: ollama, llama-server, vllm, openai; default the first three. Each double has one request first, so
that its model is loaded and its log known. A network of one's own keeps other servers out; the load
of the machine is printed with the figure.
"""
import os
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "suite"))
from suite import BIN, Suite  # noqa: E402

KINDS = {"ollama": "ollama", "llama-server": "llamacpp", "vllm": "vllm", "openai": "mlx"}


def cpu_seconds(pid):
    """Of all threads, by the scheduler's own clock of nanoseconds."""
    spent = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            spent += int(file.read().split()[0])
    return spent / 1e9


def start(role, directory, *more):
    runner = ["--runner", "--keep-alive", "-1"] if role == "ollama" else []
    with open(os.path.join(directory, f"{role}.out"), "w") as log:
        process = subprocess.Popen([os.path.join(BIN, "mlx-ollama-double"), "--as", role, *runner, *more],
                                   stdout=subprocess.PIPE, stderr=log)
    port = int(process.stdout.readline().decode().rsplit(":", 1)[1])
    return process, port


def use(role, port):
    path, body = ("/api/generate", b'{"model": "tiny-random", "prompt": "a"}') if role == "ollama" \
        else ("/v1/completions", b'{"model": "tiny-random", "prompt": "a", "max_tokens": 8}')
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body,
                                     {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request).read()
    except urllib.error.HTTPError as error:
        print(role, error.code, error.read()[:200])


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    roles = sys.argv[2:] or ["ollama", "llama-server", "vllm"]
    roles = [role for role in roles if role != "none"]
    doubles = [(role, *start(role, "/tmp")) for role in roles]
    try:
        listed = ", ".join(f"{{kind: {KINDS[role]}, url: 'http://127.0.0.1:{port}'}}"
                           for role, _, port in doubles)
        with Suite("bus", "watcher", config=f"watcher: {{runtimes: [{listed}]}}\n") as suite:
            for role, _, port in doubles:
                use(role, port)
            time.sleep(20)  # what is looked for more often after a change has calmed down
            pid = suite.processes["watcher"].pid
            before = cpu_seconds(pid)
            command = os.environ.get("MLX_PROFILE")
            if command:
                subprocess.run(command.format(pid=pid, seconds=seconds), shell=True)
            else:
                time.sleep(seconds)
            spent = cpu_seconds(pid) - before
            print(f"{'+'.join(roles) or 'none'}: {100 * spent / seconds:.3f} % of a core, "
                  f"load {os.getloadavg()[0]:.1f}")
    finally:
        for _, process, _ in doubles:
            process.terminate()
            process.wait(10)


if __name__ == "__main__":
    main()
