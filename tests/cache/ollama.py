#!/usr/bin/env python3
"""What an Ollama has comes back to it byte for byte: manifest, config and every layer, whatever their
kind; a blob that it lost is put back.

usage: ollama.py BIN_DIR
"""
import json
import os
import shutil
import sys

from files import Box, gguf, play, read, sha256, tree, write

BIN = sys.argv[1]
PREFIX = "application/vnd.ollama.image."


def model(box, name, layers, config=None, spaces=False, store=None):
    """A model as Ollama keeps it: LAYERS are (kind, content)."""
    store = store or box.path(".ollama/models")
    config = config or json.dumps({
        "model_format": "gguf", "model_family": "llama", "model_families": ["llama"], "model_type": "1B",
        "file_type": "Q4_K_M", "renderer": "qwen3-coder", "parser": "qwen3-coder", "requires": "0.12.0",
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    described = []
    for kind, data in [(None, config)] + layers:
        write("%s/blobs/sha256-%s" % (store, sha256(data)), data)
        described.append({"mediaType": PREFIX + kind if kind else "application/vnd.docker.container.image.v1+json",
                          "digest": "sha256:" + sha256(data), "size": len(data)})
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": described[0], "layers": described[1:]}
    text = json.dumps(manifest, indent=3 if spaces else None).encode()
    write("%s/manifests/%s" % (store, name), text)


LAYERS = [("model", gguf("o1", 2 << 20)), ("template", b"{{ .Prompt }}"), ("system", b"be brief"),
          ("params", b'{"stop":["<|im_end|>"]}'), ("license", b"MIT"), ("license", b"and another"),
          ("messages", b'[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}]')]
MORE = LAYERS + [("adapter", gguf("lora", 50000)), ("draft", gguf("draft", 1 << 20)), ("projector", gguf("eyes")),
                 ("model", gguf("second half", 60000)), ("newkind", b"what nobody knows yet")]
TENSORS = [("tensor", b"not looked into %d" % i) for i in range(3)] + \
    [("json", b'{"architectures":["A"]}'), ("json", b'{"tokens":1}')]


def rounds():
    """adopt, ollama rm, link: the same bytes, for every kind of layer"""
    library = "registry.ollama.ai/library/%s/1"
    for name, layers, spaces in (("plain", LAYERS, False), ("more", MORE, True), ("said-twice", LAYERS + LAYERS[1:2], True)):
        with Box(BIN) as box:
            model(box, library % name, layers, spaces=spaces)
            before = tree(box.path(".ollama/models"))
            box.good("adopt", "ollama")
            box.good("adopt", "ollama")
            assert len(box.rows()) == 1, box.rows()
            shutil.rmtree(box.path(".ollama/models"))
            os.makedirs(box.path(".ollama/models/manifests"))
            os.makedirs(box.path(".ollama/models/blobs"))
            box.good("link", "ollama", name + ":1")
            assert tree(box.path(".ollama/models")) == before, name
            box.good("undo")
            assert not tree(box.path(".ollama/models"))
            box.good("link", "ollama", name + ":1", "--as", "other:2")
            assert read(box.path(".ollama/models/manifests/registry.ollama.ai/library/other/2")) == \
                before["manifests/" + library % name]


def healed():
    """a blob that Ollama lost and the cache has is put back, whoever wrote the manifest"""
    for lost in range(len(LAYERS)):
        with Box(BIN) as box:
            model(box, "registry.ollama.ai/library/m/1", LAYERS)
            before = tree(box.path(".ollama/models"))
            box.good("adopt", "ollama", "m:1")
            os.remove(box.path(".ollama/models/blobs/sha256-" + sha256(LAYERS[lost][1])))
            assert "missing" in box.wrong(), box.wrong()
            box.good("link", "ollama", "m:1")
            assert tree(box.path(".ollama/models")) == before, LAYERS[lost][0]
            assert not box.wrong(), box.wrong()
    with Box(BIN) as box:
        write(os.path.join(box.folder, "m.gguf"), LAYERS[0][1])
        box.good("add", os.path.join(box.folder, "m.gguf"), "--as", "me/m")
        model(box, "registry.ollama.ai/me/m/latest", LAYERS)
        before = tree(box.path(".ollama/models"))
        box.good("link", "ollama", "me/m")
        os.remove(box.path(".ollama/models/blobs/sha256-" + sha256(LAYERS[0][1])))
        box.good("link", "ollama", "me/m")
        assert tree(box.path(".ollama/models")) == before


def renewed():
    """a model that Ollama pulled anew takes its own place; of two Ollamas each keeps its own"""
    with Box(BIN) as box:
        for content in ("old", "new"):
            shutil.rmtree(box.path(".ollama"), ignore_errors=True)
            model(box, "registry.ollama.ai/library/m/1", [("model", gguf(content))])
            box.good("adopt")
        assert [n for n, r in box.rows().items() if r["cached"]] == ["m:1"], box.rows()
        assert box.model("m:1")["model.gguf"] == gguf("new")
    with Box(BIN) as box:
        for place, content in ((".ollama/models", "mine"), ("second", "theirs")):
            model(box, "registry.ollama.ai/library/m/1", [("model", gguf(content))], store=box.path(place))
        box.good("adopt", "ollama")
        box.good("adopt", "ollama", env={**box.env, "OLLAMA_MODELS": box.path("second")})
        box.env["OLLAMA_MODELS"] = box.path("second")
        held = [box.model(n)["model.gguf"] for n, r in box.rows().items() if r["cached"]]
        assert gguf("theirs") in held, held


play([rounds, healed, renewed])
