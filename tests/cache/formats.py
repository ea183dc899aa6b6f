#!/usr/bin/env python3
"""Weights of every format, whole or refused, from a hub and from apps; and nothing large copied silently.

usage: formats.py BIN_DIR
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

from files import safetensors, write

BIN = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
SIZE = 1 << 20

DIFFUSERS = """model_index.json scheduler/scheduler_config.json unet/config.json
unet/diffusion_pytorch_model-00001-of-00002.safetensors unet/diffusion_pytorch_model-00002-of-00002.safetensors
unet/diffusion_pytorch_model.safetensors.index.json vae/config.json vae/diffusion_pytorch_model.safetensors
text_encoder/config.json text_encoder/model.safetensors tokenizer/vocab.json tokenizer/merges.txt""".split()
SENTENCE = """modules.json config.json config_sentence_transformers.json model.safetensors 1_Pooling/config.json
2_Dense/config.json 2_Dense/model.safetensors""".split()

# What a repository holds, and what of it is left out.
TAKEN = {
    "npz": (["config.json", "weights.npz"], []),
    "bin": (["config.json", "pytorch_model.bin"], []),
    "bins": (["config.json", "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin",
              "pytorch_model.bin.index.json"], []),
    "onnx": (["config.json", "tokenizer.json", "onnx/model.onnx", "onnx/model.onnx_data"], []),
    "onnx-external": (["config.json", "model.onnx", "onnx__MatMul_1234"], []),
    "onnx-kinds": (["config.json", "onnx/encoder_model.onnx", "onnx/model.onnx", "onnx/model_fp16.onnx",
                    "onnx/model_q4f16.onnx"], ["onnx/model_fp16.onnx", "onnx/model_q4f16.onnx"]),
    "whisper": (["config.json", "weights.safetensors"], []),
    "mistral": (["params.json", "consolidated.safetensors", "tekken.json"], []),
    "mistral-twice": (["config.json", "consolidated.safetensors", "model-00001-of-00001.safetensors"],
                      ["consolidated.safetensors"]),
    "llama": (["config.json", "model.safetensors", "original/consolidated.00.pth", "original/params.json"],
              ["original/consolidated.00.pth"]),
    "meta": (["params.json", "consolidated.00.pth", "consolidated.01.pth", "tokenizer.model"], []),
    "many": (["config.json", "model.safetensors", "pytorch_model.bin", "flax_model.msgpack", "tf_model.h5",
              "onnx/model.onnx", "openvino/openvino_model.bin", "openvino/openvino_model.xml"],
             ["pytorch_model.bin", "flax_model.msgpack", "tf_model.h5", "onnx/model.onnx",
              "openvino/openvino_model.bin"]),
    "fp16": (DIFFUSERS + ["vae/diffusion_pytorch_model.fp16.safetensors", "vae/diffusion_pytorch_model.bin",
                          "all-in-one.safetensors"],
             ["vae/diffusion_pytorch_model.fp16.safetensors", "vae/diffusion_pytorch_model.bin",
              "all-in-one.safetensors"]),
    "diffusers": (DIFFUSERS, []),
    "sentence": (SENTENCE, []),
    "tts": (["config.json", "model.safetensors", "speech_tokenizer/config.json",
             "speech_tokenizer/model.safetensors", "voices/one.pt"], []),
    "flax": (["config.json", "flax_model.msgpack"], []),
    "keras": (["config.json", "tf_model.h5"], []),
    "tflite": (["model.tflite", "labels.txt"], []),
    "coreml": (["config.json", "M.mlpackage/Manifest.json", "M.mlpackage/Data/model.mlmodel",
                "M.mlpackage/Data/weights/weight.bin"], []),
    "nemo": (["config.yaml", "model.nemo"], []),
}
REFUSED = {
    "papers": ["config.json", "tokenizer.json"],
    "pipeline": ["model_index.json", "unet/config.json", "vae/config.json"],
    "unknown": ["config.json", "model.xyzzy"],
    "training": ["config.json", "training_args.bin", "optimizer.pt"],
}


def content(repo, path):
    if path.endswith(".safetensors"):
        return safetensors(SIZE, repo + path)
    if path.endswith((".json", ".txt", ".yaml", ".xml")):
        return json.dumps({"of": [repo, path]}).encode()
    block = hashlib.sha256((repo + path).encode()).digest()
    return block * (SIZE // 32)


def lay_out(folder, repo, paths):
    for path in paths:
        write(os.path.join(folder, path), content(repo, path))


class World:
    def __init__(self, folder):
        self.folder = folder
        self.hub = os.path.join(folder, "hub")
        self.home = os.path.join(folder, "home")
        self.dirs = os.path.join(folder, "dirs")
        self.cache = os.path.join(self.home, ".mlx-cache")
        os.makedirs(self.home)
        os.makedirs(self.hub)
        self.double = subprocess.Popen([sys.executable, os.path.join(HERE, "hub_double.py"), self.hub],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        endpoint = "http://127.0.0.1:" + self.double.stdout.readline().strip()
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MLX_", "XDG_"))}
        self.env = {**keep, "HOME": self.home, "HF_ENDPOINT": endpoint, "MLX_CACHE_DIRS": self.dirs,
                    "OLLAMA_HOST": "127.0.0.1:1",
                    "OLLAMA_MODELS": os.path.join(self.home, ".ollama", "models")}

    def run(self, *args):
        return subprocess.run([os.path.join(BIN, "mlx-cache"), "--json", *args], env=self.env, text=True,
                              capture_output=True, check=False)

    def mlx(self, *args):
        run = self.run(*args)
        assert run.returncode == 0, (args, run.stdout, run.stderr)
        return json.loads(run.stdout)

    def row(self, name):
        return [m for m in self.mlx("status")["models"] if m["name"] == name]

    def disk(self):
        """Bytes of the whole world, each inode once."""
        seen = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                st = os.lstat(os.path.join(folder, name))
                if not name.startswith("registry.db"):
                    seen[st.st_ino] = st.st_blocks * 512
        return sum(seen.values())

    def end(self):
        self.double.stdin.close()
        self.double.wait()


def from_the_hub(w):
    for repo, (paths, out) in TAKEN.items():
        paths = paths + ["README.md"]
        lay_out(os.path.join(w.hub, "org", repo), repo, paths + ["notes.md"])
        added = w.mlx("add", "org/" + repo)["results"][0]
        want = sorted(set(paths) - set(out))
        assert sorted(f["path"] for f in added["files"]) == want, (repo, added["files"])
        assert added["size"] == sum(len(content(repo, p)) for p in want), repo
        assert sorted(f["path"] for f in added.get("left_out", [])) == sorted(out), (repo, added)
        for path in want:
            with open(os.path.join(w.cache, "models", "org--" + repo, path), "rb") as f:
                assert f.read() == content(repo, path), (repo, path)
    taken = w.mlx("add", "org/many", "--include", "*.json", "--include", "flax*", "--as", "org/flaxed")
    assert [f["path"] for f in taken["results"][0]["files"]] == ["config.json", "flax_model.msgpack"]
    print("ok:", len(TAKEN), "layouts of a hub come whole; what is left out is said and can be had")


def refused(w):
    before = {m["name"] for m in w.mlx("status")["models"]}
    for repo, paths in REFUSED.items():
        lay_out(os.path.join(w.hub, "org", repo), repo, paths)
        lay_out(os.path.join(w.home, ".lmstudio", "models", "pub", repo), repo, paths)
        for args in (("add", "org/" + repo), ("adopt", "lmstudio", "pub/" + repo),
                     ("add", os.path.join(w.hub, "org", repo)),
                     ("add", "org/" + repo, "--include", "*.json")):
            run = w.run(*args)
            assert run.returncode != 0, (args, run.stdout)
            assert "weights" in run.stderr and paths[-1].split("/")[-1] in run.stderr or \
                "weights" in run.stdout + run.stderr, (args, run.stderr)
        assert w.run("add", os.path.join(w.hub, "org", repo, paths[0])).returncode != 0
    after = w.mlx("status")["models"]
    assert {m["name"] for m in after} == before, after
    print("ok: without weights nothing is called a model")


def trees(w):
    """A model's folder tree is one model, in LM Studio and in any folder."""
    for name, paths in (("sentence", SENTENCE), ("diffusers", DIFFUSERS)):
        for store, app in ((os.path.join(w.home, ".lmstudio", "models"), "lmstudio"), (w.dirs, "dir")):
            model = "%s-of/%s" % (app, name)
            lay_out(os.path.join(store, model), model, paths)
            size = sum(len(content(model, p)) for p in paths)
            for _ in range(2):
                row, = w.row(model)
                assert row["size"] == size, (row, size)
                w.mlx("adopt", app, model)
            assert not [m for m in w.mlx("status")["models"] if m["name"].startswith(model + "/")]
            shutil.rmtree(os.path.join(store, model))
            w.mlx("link", "lmstudio", model)
            for path in paths:
                with open(os.path.join(w.home, ".lmstudio", "models", model, path), "rb") as f:
                    assert f.read() == content(model, path), path
    lay_out(os.path.join(w.dirs, "loose"), "loose", ["a.gguf.txt", "sub/b.onnx", "c.onnx"])
    names = {m["name"] for m in w.mlx("status")["models"]}
    assert {"loose", "loose/sub"} <= names, names
    print("ok: a model is its folder with all below it, linked whole")


def nothing_large_is_copied(w):
    """On a file system without clones as well: the disk holds one copy of what is large."""
    store = os.path.join(w.home, ".lmstudio", "models", "pub", "onnx")
    graph = b"\x08\x07" + os.urandom(4 << 20)
    write(os.path.join(store, "onnx", "model.onnx"), graph)
    write(os.path.join(store, "config.json"), b"{}")
    write(os.path.join(store, "vocab.txt"), os.urandom(2 << 20))
    before = w.disk()
    w.mlx("adopt", "lmstudio", "pub/onnx")
    linked = w.mlx("link", "dir", "pub/onnx", "--dry-run")["results"][0]
    assert linked["shared"] >= (6 << 20) and linked["copied"] <= 2, linked
    linked = w.mlx("link", "dir", "pub/onnx")["results"][0]
    assert linked["shared"] + linked["copied"] >= (6 << 20), linked
    assert linked["copied"] <= 2, linked
    grown = w.disk() - before
    assert grown < 500_000, grown
    print("ok: what is large is shared whatever its format: the disk grew by", grown, "bytes")


def existing_copies_are_shared(w):
    """The app has the same bytes already, with a disk space of their own."""
    weights = safetensors(3 << 20, "there already")
    write(os.path.join(w.folder, "in", "model.safetensors"), weights)
    w.mlx("add", os.path.join(w.folder, "in"), "--as", "pub/twin")
    there = os.path.join(w.home, ".lmstudio", "models", "pub", "twin", "model.safetensors")
    write(there, weights)
    before = w.disk()
    linked = w.mlx("link", "lmstudio", "pub/twin", "--dry-run")["results"][0]
    assert linked["would_free"] >= (3 << 20), linked
    linked = w.mlx("link", "lmstudio", "pub/twin")["results"][0]
    assert linked["freed"] >= (3 << 20), linked
    with open(there, "rb") as f:
        assert f.read() == weights
    if os.stat(there).st_nlink > 1:
        assert w.disk() <= before - (3 << 20) + 100_000, (w.disk(), before)
    row, = w.row("pub/twin")
    assert [u["app"] for u in row["used_by"]] == ["lmstudio"] and w.mlx("status")["duplicate_bytes"] == 0
    print("ok: a link over bytes that are there already shares them")


with tempfile.TemporaryDirectory(prefix="mlx-formats.") as folder:
    world = World(folder)
    try:
        from_the_hub(world)
        refused(world)
        trees(world)
        nothing_large_is_copied(world)
        existing_copies_are_shared(world)
    finally:
        world.end()
