#!/usr/bin/env python3
"""What could run code when a model is loaded is refused before it is visible: real pickles of every protocol,
torch's formats, arrays, Keras, configurations, chat templates. And licences are kept.

usage: content.py BIN_DIR
"""
import collections
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile

from files import gguf, safetensors, write

BIN = os.path.abspath(sys.argv[1])


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/mlx-was-executed",)


class Lookup:
    def __reduce__(self):
        return getattr, (collections.OrderedDict, "fromkeys")


def text(s):
    """A short string of protocol 4."""
    return b"\x8c" + bytes([len(s)]) + s.encode()


def torch_zip(data, deflated=False, name="archive/data.pkl", more=()):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as z:
        z.writestr(name, data)
        z.writestr("archive/data/0", bytes(range(256)) * 64)
        z.writestr("archive/version", b"3\n")
        for path, content in more:
            z.writestr(path, content)
    return out.getvalue()


def tar_of(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            t.addfile(info, io.BytesIO(content))
    return out.getvalue()


# What torch.save writes for {"weight": tensor}, as pickletools shows it.
TENSOR = (b"\x80\x02}q\x00X\x06\x00\x00\x00weightq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00"
          b"storageq\x03ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06K\x04tq\x07Q"
          b"K\x00K\x04\x85q\x08K\x01\x85q\x09\x89ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds.")
LEGACY = (pickle.dumps(0x1950a86a20f9469cfc6c, 2) + pickle.dumps(1001, 2) +
          pickle.dumps({"little_endian": True}, 2))
RAW = b"cos\nsystem\n" * 8   # bytes of tensors that only look like a pickle


def npy(descr, data):
    head = ("{'descr': %r, 'fortran_order': False, 'shape': (1,), }" % descr).encode()
    head += b" " * (53 - len(head) % 64 + 0) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def keras_zip(layer):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("config.json", json.dumps({"config": {"layers": [{"class_name": layer}]}}))
        z.writestr("model.weights.h5", bytes(4096))
    return out.getvalue()


def flip_flags(data):
    """The encryption bit, which zip readers refuse and torch ignores; and a broken checksum."""
    at = data.rindex(b"PK\x01\x02")
    first = data.index(b"PK\x01\x02")
    assert at >= first
    return data[:first + 8] + b"\x01" + data[first + 9:first + 16] + b"\0\0\0\0" + data[first + 20:]


def refused_pickles():
    cases = {}
    for protocol in range(6):
        cases[f"reduce-{protocol}"] = (pickle.dumps({"w": Evil()}, protocol), "system")
        cases[f"getattr-{protocol}"] = (pickle.dumps(Lookup(), protocol), "getattr")
    os_system = text("os") + b"\x94" + text("system") + b"\x94"
    cases["stack-global-memo"] = (b"\x80\x04" + os_system + b"00h\x00h\x01\x93" + text("id") + b"\x85R.", "os.system")
    # Position 1 is taken by hand, so that MEMOIZE, which counts, overwrites it.
    cases["memo-overwritten"] = (b"\x80\x04" + text("collections") + b"q\x010" + text("os") + b"\x940h\x01" +
                                 text("system") + b"\x93" + text("id") + b"\x85R.", "os.system")
    cases["popped-mark"] = (b"\x80\x04(0" + text("os") + text("system") + b"\x93" + text("id") + b"\x85R.", "os.system")
    cases["dup"] = (b"\x80\x04" + text("os") + b"2" + b"0" + text("system") + b"\x93" + text("id") + b"\x85R.", "os.system")
    cases["computed"] = (b"\x80\x04cbuiltins\ngetattr\nctorch\nTensor\n" + text("x") + b"\x86R" + text("system") + b"\x93.",
                         "getattr")
    cases["computed-name"] = (b"\x80\x04" + text("os") + b"K\x01\x93.", "computes")
    cases["escaped-name"] = (b"\x80\x04Vo\\u0073\n" + text("system") + b"\x93" + text("id") + b"\x85R.", "computes")
    cases["dotted"] = (b"\x80\x04" + text("collections") + text("OrderedDict.__init__.__globals__") + b"\x93.", "__globals__")
    cases["inst"] = (b"(S'id'\nios\nsystem\n.", "os.system")
    cases["obj"] = (b"(cos\nsystem\nS'id'\no.", "os.system")
    cases["newobj-ex"] = (b"\x80\x04csubprocess\nPopen\n(S'id'\nt}\x92.", "subprocess.Popen")
    cases["extension"] = (b"\x80\x02\x82\x01.", "computes")
    cases["truncated"] = (pickle.dumps(Evil(), 4)[:-1], "system")
    cases["broken-behind"] = (b"cos\nsystem\n(S'id'\ntR\xff\xff", "os.system")
    cases["second"] = (pickle.dumps([1]) + pickle.dumps(Evil()), "system")
    cases["load-again"] = (b"\x80\x02ctorch.storage\n_load_from_bytes\nC\x01x\x85R.", "_load_from_bytes")
    cases["long-name"] = (b"\x80\x02cbuiltins\n" + b"a" * 400 + b"\n.", "computes")
    cases["behind-much"] = (b"\x80\x04B" + struct.pack("<I", 300000) + bytes(300000) + b"0cos\nsystem\n.", "os.system")
    cases["legacy"] = (LEGACY + pickle.dumps(Evil(), 2) + pickle.dumps([], 2), "system")
    cases["zip"] = (torch_zip(pickle.dumps(Evil(), 2)), "archive/data.pkl")
    cases["zip-deflated"] = (torch_zip(pickle.dumps(Evil(), 2), True), "system")
    cases["zip-flags"] = (flip_flags(torch_zip(pickle.dumps(Evil(), 2))), "system")
    cases["zip-nested"] = (torch_zip(TENSOR, more=[("x/inner.zip", torch_zip(pickle.dumps(Evil(), 4)))]),
                           "inner.zip/archive/data.pkl")
    cases["zip-other-name"] = (torch_zip(TENSOR, more=[("archive/notes", pickle.dumps(Evil(), 4))]), "archive/notes")
    cases["zip-truncated"] = (torch_zip(TENSOR)[:-40], "cannot be checked")
    cases["zip-behind-pickle"] = (pickle.dumps(Evil(), 2) + torch_zip(TENSOR), "system")
    cases["zip-behind"] = (b"\x80\x02N." + torch_zip(pickle.dumps(Evil(), 2)), "system")
    deep = pickle.dumps(Evil(), 2)
    for _ in range(5):
        deep = torch_zip(deep, name="x.pt")
    cases["zip-too-deep"] = (deep, "too many others")
    cases["tar"] = (tar_of(("storages", TENSOR), ("pickle", pickle.dumps(Evil(), 2))), "system")
    cases["torch-package"] = (torch_zip(TENSOR, more=[("p/.data/extern_modules", b"os\n")]), "torch package")
    return {name: ("pytorch_model.bin", data, word) for name, (data, word) in cases.items()}


def refused_others():
    objects = npy("|O", pickle.dumps([Evil()]))
    squeezed = io.BytesIO()
    with zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a.npy", npy("<f4", bytes(4)))
        z.writestr("b.npy", objects)
    return {
        "npz": ("weights.npz", squeezed.getvalue(), "b.npy"),
        "npy": ("w.npy", objects, "Python objects"),
        "npy-field": ("w.npy", npy([("a", "<f4"), ("b", "O")], bytes(16)), "Python objects"),
        "gzip": ("model.joblib", b"\x1f\x8b\x08\0" + bytes(60), "packed"),
        "zlib": ("model.pkl", b"\x78\x9c" + bytes(60), "packed"),
        "keras-zip": ("model.keras", keras_zip("Lambda"), "Lambda"),
        "keras-h5": ("model.h5", b"\x89HDF\r\n\x1a\n" + bytes(300000) + b'{"class_name": "Lambda"}', "Lambda"),
        "tensorflow": ("saved_model.pb", b"\x0a\x10" + bytes(40) + b"\x12\x09WriteFile", "WriteFile"),
        "elf": ("model.bin", b"\x7fELF\x02\x01\x01" + bytes(100), "machine code"),
        "llamafile": ("model.llamafile", b"MZqFpD='\n" + bytes(100), "machine code"),
    }


def template(source):
    return json.dumps({"chat_template": source})


INNOCENT_TEMPLATE = ("{%- if tools %}{{- '<|im_start|>system\\n' }}{% for t in tools %}{{ t | tojson }}{% endfor %}"
                     "{%- endif %}{% for m in messages %}{{ m['role'] + '__user__' | length | string }}"
                     "{% endfor %}").replace("'__user__'", "'user'")
TEMPLATES = {
    "class": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "internals"),
    "string": ("line\n{{ x['__glob' ~ 'als__'] }}", "line 2"),
    "attr": ("{{ x|attr('a') }}", "computed name"),
    "attr-spaces": ("{{ x |  attr ('a') }}", "computed name"),
    "escape": ("{{ x['\\x5f\\x5fclass'] }}", "hides underscores"),
    "import": ("{%- import 'x' as y %}", "another file"),
    "include": ("{% include '/etc/passwd' %}", "another file"),
    "quote": ("{{ '}}' + x.__init__ }}", "internals"),
    "getattr": ("{{ getattr(x, 'y') }}", "computed name"),
    "long": ("x" * 600000, "too many"),
}


def proto(*fields):
    """A protobuf message of (number, bytes, text or an int)."""
    out = b""

    def varint(n):
        return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)

    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def tensor(location=None, offset="0"):
    if location is None:
        return proto((1, 64), (2, 1), (8, "w"), (9, bytes(256)))
    entries = [(13, proto((1, "location"), (2, location))), (13, proto((1, "offset"), (2, offset)))]
    return proto((1, 64), (2, 1), (8, "w"), *entries, (14, 1))


def onnx(*graph, node=(), function=()):
    nodes = proto((1, "x"), (2, "y"), (4, "Relu"), *node)
    return proto((1, 8), (2, "maker"), (7, proto((1, nodes), (2, "g"), *graph)), (8, proto((2, 17))), *function)


def onnx_models():
    """({name: (files, word)} that are refused, {name: files} that are taken)."""
    def named(graph, **more):
        return {"model.onnx": graph, "config.json": "{}", **more}

    inside = [(5, proto((1, "value"), (5, tensor("../x")))), (5, proto((6, proto((5, tensor("../x"))))))]
    places = {"attribute": onnx(node=(inside[0],)), "nested": onnx(node=(inside[1],)),
              "sparse": onnx((15, proto((1, tensor()), (2, tensor("../x"))))),
              "function": onnx(function=((25, proto((1, "f"), (7, proto(inside[0])))),)),
              "training": onnx(function=((20, proto((1, proto((5, tensor("../x")))))),)),
              "value-first": onnx((5, proto((13, proto((2, "../x"), (1, "location")))))),
              "twice": onnx((5, proto((13, proto((1, "location"), (2, "../x"), (2, "good")))))),
              "group": onnx((5, tensor("good"))) + bytes([0x1b, 0x08, 0x01, 0x1c]) + proto((7, proto((5, tensor("../x")))))}
    refused = {"onnx-" + name: (named(graph, good=b"d" * 300), "../x") for name, graph in places.items()}
    for i, location in enumerate(("/etc/passwd", "../../w", "a/../../w", "..", "C:\\w", "..\\w", "*/_ORT_MEM_ADDR_/*", "",
                                  "a\0/../w", "x" * 5000)):
        refused["onnx-path-%d" % i] = (named(onnx((5, tensor(location)))), "outside of its folder")
    deep = proto((5, tensor()))
    for _ in range(40):
        deep = proto((1, proto((5, proto((6, deep))))))
    refused["onnx-deep"] = (named(proto((7, deep))), "too deep")
    accepted = {"onnx-plain": named(onnx((5, tensor()))),
                "onnx-data": named(onnx((5, tensor("./d/w.bin")), (5, tensor("onnx__MatMul_1"))),
                                   **{"d/w.bin": bytes(300), "onnx__MatMul_1": b"\1" * 300}),
                "onnx-ours": named(onnx(node=((7, "my.own"),), function=((25, proto((10, "my.own"))),))),
                "onnx-known": named(onnx(node=((7, "com.microsoft.nchwc"),)))}
    return refused, accepted


def refused_models():
    """Whole models: name: ({path: content}, word)."""
    weights = {"model.safetensors": safetensors(256, "w")}
    auto_map = json.dumps({"auto_map": {"AutoModel": "modeling_x.X", "AutoConfig": "configuration_x.X"}})
    models = {
        "auto-map": ({"config.json": auto_map, "modeling_x.py": b"import os", **weights}, "modeling_x.py"),
        "auto-map-remote": ({"config.json": '{"auto_map": {"AutoModel": "a/b--m.X"}}', **weights}, "a/b--m.X"),
        "auto-map-escaped": ({"config.json": '{"\\u0061uto_map": {"AutoModel": "m.X"}}', "m.py": b"", **weights}, "m.py"),
        "auto-map-twice": ({"config.json": '{"auto_map": 1, "auto_map": {"AutoModel": "m.X"}}', "m.py": b"", **weights},
                           "not valid JSON"),
        "auto-map-tokenizer": ({"tokenizer_config.json": '{"auto_map": {"AutoTokenizer": ["t.T", null]}}',
                                "t.py": b"", **weights}, "t.py"),
        "modules": ({"modules.json": '[{"type": "custom.Pool"}]', "custom.py": b"", **weights}, "custom.Pool"),
        "pipeline": ({"model_index.json": '{"unet": ["my_unet", "U"]}', "unet/my_unet.py": b"",
                      "unet/x.safetensors": safetensors(64, "u")}, "my_unet.py"),
        "gguf": ({"model.gguf": gguf("g", texts={"tokenizer.chat_template": TEMPLATES["class"][0]})}, "tokenizer.chat_template"),
    }
    models["any-name"] = ({"extra.cache": pickle.dumps(Evil(), 4), **weights}, "system")
    for name, (source, word) in TEMPLATES.items():
        models["template-" + name] = ({"tokenizer_config.json": template(source), **weights}, word)
    models["template-file"] = ({"chat_template.jinja": TEMPLATES["class"][0], **weights}, "line 1")
    models["template-list"] = ({"tokenizer_config.json": json.dumps(
        {"chat_template": [{"name": "default", "template": "x"}, {"name": "t", "template": "{{ a.__b__ }}"}]}), **weights},
        "chat_template t")
    for name, (path, data, word) in {**refused_pickles(), **refused_others()}.items():
        models[name] = ({"config.json": "{}", path: data}, word)
    return models


def accepted_models():
    weights = {"model.safetensors": safetensors(256, "w")}
    ordered = collections.OrderedDict(a=[1, 2.5, None, True], b={"c": "d" * 300}, e={1, 2}, f=b"x" * 400)
    models = {f"plain-{p}": {"pytorch_model.bin": pickle.dumps(ordered, p)} for p in range(6)}
    models |= {
        "ok-zip": {"pytorch_model.bin": torch_zip(TENSOR)},
        "ok-deflated": {"model.pt": torch_zip(TENSOR, True)},
        "ok-legacy": {"model.pth": LEGACY + TENSOR + pickle.dumps(["0"], 2) + RAW},
        "ok-raw": {"openvino_model.bin": bytes(range(256)) * 40},
        "ok-noise": {"model.bin": b"c\xff\xfe" * 400 + b"\n\xf0\n"},
        "ok-npz": {"weights.npz": torch_zip(b"", name="x", more=[("a.npy", npy("<f4", bytes(4)))])},
        "ok-keras": {"model.keras": keras_zip("Dense")},
        "ok-template": {"tokenizer_config.json": template(INNOCENT_TEMPLATE), **weights},
        "ok-code-aside": {"config.json": "{}", "convert.py": b"import os", **weights},
        "ok-vocab": {"vocab.txt": "cat\nos\nsystem\n", **weights},
    }
    return models


LICENSES = {
    "card": ({"README.md": "---\nlicense: apache-2.0 # see below\ntags: [x]\n---\n# X\n", "LICENSE": "MIT License\n"},
             "apache-2.0"),
    "list": ({"README.md": "---\nlicense:\n- mit\n---\n"}, "mit"),
    "named": ({"README.md": "---\nlicense: other\nlicense_name: tongyi-qianwen\n---\n"}, "tongyi-qianwen"),
    "file": ({"LICENSE.txt": "\n   Apache License\n   Version 2.0\n"}, "apache-2.0"),
    "unknown": ({"LICENCE": "My \x1b[31mown terms\nno\n"}, "My ?[31mown terms"),
    "none": ({"README.md": "license: mit\n"}, None),
}


class World:
    def __init__(self, folder):
        self.home = os.path.join(folder, "home")
        self.dirs = os.path.join(folder, "dirs")
        os.makedirs(self.home)
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MLX_", "XDG_"))}
        self.env = {**keep, "HOME": self.home, "MLX_CACHE_DIRS": self.dirs, "OLLAMA_HOST": "127.0.0.1:1",
                    "OLLAMA_MODELS": os.path.join(self.home, "none")}

    def put(self, models):
        for name, files in models.items():
            for path, data in files.items():
                write(os.path.join(self.dirs, name, path), data if isinstance(data, bytes) else data.encode())

    def run(self, *args):
        return subprocess.run([os.path.join(BIN, "mlx-cache"), "--json", *args], env=self.env, text=True,
                              capture_output=True, check=False)

    def models(self):
        status = json.loads(self.run("status").stdout)
        return {m["name"]: m for m in status["models"] if m["cached"]}


def check_refused(w):
    refused = {**refused_models(), **onnx_models()[0]}
    w.put({name: files for name, (files, _) in refused.items()})
    run = w.run("adopt", "dir")
    report = json.loads(run.stdout)
    said = {p["model"]: p["text"] for p in report["problems"]}
    for name, (_, word) in refused.items():
        assert name in said, f"{name} was taken"
        assert "could run code" in said[name] and word in said[name], (name, said[name])
    assert run.returncode == 1 and not w.models(), (run.returncode, run.stderr)
    assert not os.listdir(os.path.join(w.home, ".mlx-cache", "models")), "a refused model is visible"
    # Named and trusted it is taken, with what was found; and that stays.
    run = w.run("adopt", "dir", "reduce-2", "--trust")
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)["models"][0]["findings"]
    assert found[0]["refused"] and "system" in found[0]["text"] and found[0]["file"] == "pytorch_model.bin", found
    assert w.models()["local/reduce-2"]["findings"] == found
    for command in (["remove", "local/reduce-2"], ["undo"], ["adopt", "dir", "reduce-2"]):
        run = w.run(*command)
        assert run.returncode == 0, (command, run.stderr)
    assert w.models()["local/reduce-2"]["findings"] == found
    assert w.run("remove", "local/reduce-2").returncode == 0
    path = os.path.join(w.dirs, "zip")
    run = w.run("add", path)
    assert run.returncode == 1 and "--trust" in run.stderr and "archive/data.pkl" in run.stderr, run.stderr
    assert w.run("add", "--trust", path).returncode == 0
    assert w.run("remove", "local/zip").returncode == 0
    shutil.rmtree(w.dirs)
    print(f"ok: {len(refused)} models that could run code are refused, with where and what")


def check_graphs(w):
    """Data files belong to the model; operators from elsewhere and broken graphs are told."""
    shutil.rmtree(w.dirs, ignore_errors=True)
    w.put({"onnx-foreign": {"model.onnx": onnx(node=((7, "evil.ops"),))},
           "onnx-broken": {"model.onnx": onnx((5, tensor()))[:-3] + b"\0\0\0"}})
    assert w.run("adopt", "dir").returncode == 0
    for name, words in (("foreign", "needs operators of evil.ops"), ("broken", "not an ONNX graph")):
        found, = w.models()["local/onnx-" + name]["findings"]
        assert words in found["text"] and not found["refused"], found
    w.put({"lacks": {"model.onnx": onnx((5, tensor("d/w.bin")), (5, tensor("d/w.bin")))}})
    run = w.run("adopt", "dir", "lacks")
    assert run.returncode == 1 and "incomplete: d/w.bin is missing" in run.stdout, run.stdout
    print("ok: data files of graphs belong to their model")


def check_accepted(w):
    accepted = {**accepted_models(), **onnx_models()[1]}
    w.put(accepted)
    w.put({"lic-" + name: {"model.safetensors": safetensors(256, name), **files}
           for name, (files, _) in LICENSES.items()})
    w.put({"lic-gguf": {"model.gguf": gguf("lic", texts={"general.license": "llama3.2"})}})
    w.put({"hidden": {"chat_template.jinja": "a\n{{ 'x\u202ey' }}", "model.safetensors": safetensors(300, "h")}})
    run = w.run("adopt", "dir")
    assert run.returncode == 0, run.stdout
    models = w.models()
    for name in accepted:
        assert not models["local/" + name].get("findings"), (name, models["local/" + name])
    for name, (_, license) in LICENSES.items():
        assert models["local/lic-" + name].get("license") == license, models["local/lic-" + name]
    assert models["local/lic-gguf"]["license"] == "llama3.2"
    hidden = models["local/hidden"]["findings"]
    assert len(hidden) == 1 and not hidden[0]["refused"] and hidden[0]["where"] == "line 2", hidden
    print(f"ok: {len(accepted)} innocent models and {len(LICENSES) + 1} licences")


def main():
    with tempfile.TemporaryDirectory(prefix="mlx-content.") as folder:
        w = World(folder)
        check_refused(w)
        check_accepted(w)
        check_graphs(w)
    assert not os.path.exists("/tmp/mlx-was-executed"), "something was executed"


main()
