#!/usr/bin/env python3
"""adopt takes what an app has as the app knows it: the current revision, whole folders, one name for one
model, and says with its exit code when something could not be taken.

usage: adopt.py BIN_DIR
"""
import json
import os
import shutil
import sys

from files import Box, gguf, play, read, safetensors, sha256, write

BIN = sys.argv[1]
COMMITS = ["%040x" % n for n in (9 << 150, 1, 5 << 150, 3)]
# Folders with the layout of pipelines and sentence encoders, and of a model with a speech tokenizer.
LAYOUTS = {
    "diffusers": [
        "model_index.json", "scheduler/scheduler_config.json", "unet/config.json",
        "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
        "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
        "unet/diffusion_pytorch_model.safetensors.index.json", "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors", "text_encoder/config.json",
        "text_encoder/model.safetensors", "tokenizer/vocab.json", "tokenizer/merges.txt"],
    "sentences": [
        "modules.json", "config.json", "config_sentence_transformers.json", "model.safetensors",
        "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors"],
    "speech": [
        "config.json", "model.safetensors", "speech_tokenizer/config.json",
        "speech_tokenizer/model.safetensors", "speech_tokenizer/preprocessor_config.json"],
}


def layout(name):
    files = {}
    for path in LAYOUTS[name]:
        if path.endswith("index.json") and "safetensors" in path:
            shard = os.path.basename(path).replace(".safetensors.index.json", "-%05d-of-00002.safetensors")
            files[path] = json.dumps({"weight_map": {"a": shard % 1, "b": shard % 2}}).encode()
        elif path.endswith(".safetensors"):
            files[path] = safetensors(3000, name + path)
        else:
            files[path] = b'{"of":"%s"}' % path.encode()
    return files


def revision():
    """refs/main decides which of several revisions is taken; without it the newest is"""
    for main in COMMITS:
        with Box(BIN) as box:
            for commit in COMMITS:
                box.hub("org/r", commit, {"config.json": b'{"c":"%s"}' % commit.encode(),
                                          "model.safetensors": safetensors(500, commit)}, commit == main)
            box.good("adopt", "huggingface", "org/r")
            assert box.model("org/r")["model.safetensors"] == safetensors(500, main), main
    for newest in COMMITS:
        with Box(BIN) as box:
            for i, commit in enumerate([c for c in COMMITS if c != newest] + [newest]):
                top = box.hub("org/r", commit, {"config.json": b"{}",
                                                "model.safetensors": safetensors(500, commit)}, False)
                os.utime(os.path.join(top, "snapshots", commit), (1e9 + i, 1e9 + i))
            box.good("adopt")
            assert box.model("org/r")["model.safetensors"] == safetensors(500, newest), newest


def absolute():
    """snapshot links that are absolute, and through a cache folder that is a link, are inside all the same"""
    for moved in (False, True):
        with Box(BIN) as box:
            if moved:
                os.makedirs(box.path("elsewhere"))
                os.makedirs(box.path(".cache/huggingface"))
                os.symlink(box.path("elsewhere"), box.path(".cache/huggingface/hub"))
            files = {"config.json": b"{}", "sub/a.json": b"[]", "model.safetensors": safetensors(2 << 20, "abs")}
            box.hub("org/abs", COMMITS[0], files, absolute=True)
            before = box.json("status")["total"]
            box.good("adopt", "huggingface")
            assert box.model("org/abs") == files
            status = box.json("status")
            assert status["total"] < before + 100_000, "its weights were copied"
            assert status["models"][0]["used_by"] == [{"app": "huggingface", "method": "hardlink"}] or \
                status["models"][0]["used_by"][0]["method"] == "clone", status
            assert box.json("dedup")["would_free"] == 0


def one_name():
    """two models never share a name, and nothing of either is left without one"""
    with Box(BIN) as box:
        box.env["MLX_CACHE_DIRS"] = box.path("dirs")
        write(box.path(".cache/llama.cpp/m.gguf"), gguf("one"))
        write(box.path("dirs/m.gguf"), gguf("two"))
        box.good("adopt")
        cached = [m for m in box.rows().values() if m["cached"]]
        assert len(cached) == 2, cached
        box.good("clean", "--yes")
        held = [sha256(b) for m in cached for b in box.model(m["name"]).values()]
        assert sorted(held) == sorted(sha256(gguf(s)) for s in ("one", "two")), held
        box.good("adopt")
        assert len(box.rows()) == 2, box.rows()
    whole = {"config.json": b"{}", "tokenizer.json": b"[]", "model.safetensors": safetensors(9000, "mini")}
    part = {k: whole[k] for k in ("config.json", "model.safetensors")}
    for order in (("huggingface", "lmstudio"), ("lmstudio", "huggingface")):
        with Box(BIN) as box:
            box.hub("org/minilm", COMMITS[0], whole)
            box.studio("org/minilm", part)
            for app in order:
                box.good("adopt", app)
            assert list(box.rows()) == ["org/minilm"], box.rows()
            assert sorted(u["app"] for u in box.rows()["org/minilm"]["used_by"]) == ["huggingface", "lmstudio"]
            assert box.model("org/minilm") == whole
            box.good("link", "llamacpp", "org/minilm")


def folders():
    """a model with folders is one model with all of them, whoever has it"""
    for name in LAYOUTS:
        files = layout(name)
        with Box(BIN) as box:
            box.env["MLX_CACHE_DIRS"] = box.path("dirs")
            box.studio("pub/" + name, files)
            for path, data in files.items():
                write(box.path("dirs", "of-" + name, path), data)
            rows = box.rows()
            assert len(rows) <= 2 and all(r["size"] == sum(map(len, files.values())) for r in rows.values()), rows
            box.good("adopt")
            assert box.model("pub/" + name) == files, name
            for model in [m for m in box.rows() if m != "pub/" + name]:
                assert box.model(model) == files, model
            box.good("link", "--store", box.path("given"), "dir", "pub/" + name)
            given = box.path("given", "pub--" + name)
            for path, data in files.items():
                assert read(os.path.join(given, path)) == data, path


def failed():
    """what could not be taken is in the exit code, and keeps nothing else out"""
    for args in (("adopt",), ("adopt", "ollama")):
        with Box(BIN) as box:
            for name, honest in (("good", True), ("bad", False)):
                data = gguf(name)
                digest = sha256(data if honest else b"other")
                config = b'{"model_format":"gguf","n":"%s"}' % name.encode()
                store = box.path(".ollama/models")
                write("%s/blobs/sha256-%s" % (store, digest), data)
                write("%s/blobs/sha256-%s" % (store, sha256(config)), config)
                write("%s/manifests/registry.ollama.ai/library/%s/1" % (store, name), json.dumps({
                    "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                    "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                               "digest": "sha256:" + sha256(config), "size": len(config)},
                    "layers": [{"mediaType": "application/vnd.ollama.image.model", "size": len(data),
                                "digest": "sha256:" + digest}]}).encode())
            run = box.run(*args)
            assert run.returncode not in (0, 2) and "bad:1" in run.stderr + run.stdout, run
            assert [n for n, m in box.rows().items() if m["cached"]] == ["good:1"], box.rows()


def nothing():
    """nothing to adopt is said; a model that was linked and removed twice is one line of the doctor's"""
    with Box(BIN) as box:
        assert "no app has a model" in box.run("adopt").stderr
        write(os.path.join(box.folder, "m.gguf"), gguf("twice"))
        box.good("add", os.path.join(box.folder, "m.gguf"), "--as", "me/m")
        for _ in range(2):
            box.studio("other/m", {"n.gguf": gguf("other")})
            box.good("link", "lmstudio", "me/m")
            shutil.rmtree(box.path(".lmstudio/models/me"))
        assert box.wrong().count("me/m: the app removed") == 1, box.wrong()


play([revision, absolute, one_name, folders, failed, nothing])
