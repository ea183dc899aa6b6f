"""What the Python tests of the cache put into their worlds, and a world of their own."""
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile


def own_mounts():
    """Go on in a mount namespace, where there may be one: what a killed test mounted goes with it."""
    if "MLX_OWN_MOUNTS" not in os.environ and shutil.which("unshare") and subprocess.run(
            ["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0:
        os.environ["MLX_OWN_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def noise(seed, size):
    """SIZE bytes made from the text SEED."""
    return hashlib.shake_128(seed.encode()).digest(size)


def safetensors(size, seed):
    """One tensor of SIZE bytes, made from the text SEED."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    block = hashlib.sha256(seed.encode()).digest()
    return len(header).to_bytes(8, "little") + header + (block * (size // 32 + 1))[:size]


def gguf(seed, size=40000, texts=None):
    """One tensor of about SIZE bytes, made from the text SEED; TEXTS: metadata."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(texts or {}))
    for key, value in (texts or {}).items():
        head += struct.pack("<Q", len(key)) + key.encode() + struct.pack("<IQ", 8, len(value)) + value.encode()
    head += struct.pack("<Q", 1) + b"w"
    head += struct.pack("<IQIQ", 1, size // 4, 0, 0)
    return head + b"\0" * (-len(head) % 32) + noise(seed, size // 4 * 4)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Box:
    """A home of its own for one test; "with Box(bin) as box"."""

    def __init__(self, bin_dir, parent=None, **env):
        self.bin = os.path.abspath(bin_dir)
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="mlx-box.", dir=parent))
        self.home = os.path.join(self.folder, "home")
        os.makedirs(self.home)
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("HF_", "MLX_", "XDG_", "OLLAMA_", "LLAMA_"))}
        self.env = {**keep, "HOME": self.home, "OLLAMA_HOST": "127.0.0.1:1",
                    "HF_ENDPOINT": "http://127.0.0.1:1",
                    "OLLAMA_MODELS": self.path(".ollama/models"), **env}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def path(self, *parts):
        return os.path.join(self.home, *parts)

    def run(self, *args, **more):
        return subprocess.run([os.path.join(self.bin, "mlx-cache"), *args], text=True, check=False,
                              capture_output=True, **{"env": self.env, **more})

    def good(self, *args, **more):
        run = self.run(*args, **more)
        assert run.returncode == 0, (args, run.returncode, run.stdout, run.stderr)
        return run.stdout

    def json(self, *args, **more):
        return json.loads(self.good("--json", *args, **more))

    def rows(self, **more):
        """{name: row} of the status."""
        models = self.json("status", **more)["models"]
        found = {m["name"]: m for m in models}
        assert len(found) == len(models), models
        return found

    def model(self, name):
        """The files of a model in the cache, {path: content}."""
        top = self.path(".mlx-cache/models", name.replace("/", "--").replace(":", "--"))
        return tree(top)

    def wrong(self):
        """What the doctor finds, as text; its exit code says whether there is any."""
        run = self.run("--json", "doctor")
        bad = [c for c in json.loads(run.stdout)["checks"] if not c["ok"]]
        assert (run.returncode != 0) == bool(bad), run
        return " | ".join("%s: %s" % (c["name"], c["text"]) for c in bad)

    def studio(self, name, files):
        for path, data in files.items():
            write(self.path(".lmstudio/models", name, path), data)

    def hub(self, repo, commit, files, main=True, absolute=False, hub=None):
        """One commit of a repository in the hub's cache, as its client leaves it."""
        top = os.path.join(hub or self.path(".cache/huggingface/hub"), "models--" + repo.replace("/", "--"))
        for path, data in files.items():
            small = not path.endswith((".safetensors", ".gguf", ".bin", ".onnx"))
            blob = os.path.join(top, "blobs", git_sha1(data) if small else sha256(data))
            link = os.path.join(top, "snapshots", commit, path)
            write(blob, data)
            os.makedirs(os.path.dirname(link), exist_ok=True)
            if os.path.lexists(link):
                os.remove(link)
            os.symlink(blob if absolute else os.path.relpath(blob, os.path.dirname(link)), link)
        if main:
            write(os.path.join(top, "refs", "main"), commit.encode())
        return top


def tree(top):
    found = {}
    for base, _, names in os.walk(top):
        for name in names:
            full = os.path.join(base, name)
            found[os.path.relpath(full, top)] = read(full)
    return found


def play(tests):
    """Each test in its turn: its name is its line."""
    for test in tests:
        test()
        print("ok:", (test.__doc__ or test.__name__).strip().split("\n")[0], flush=True)
