"""The launchd agents are well formed and say what launchd needs (macOS's plutil is not here)."""
import pathlib
import plistlib
import sys

template = pathlib.Path(sys.argv[1]).read_text()
text = template.replace("@MLX_NAME@", "bus").replace("@MLX_BINDIR_XML@", "/opt/bin")
agent = plistlib.loads(text.encode())
assert agent["Label"] == "dev.mlx-suite.bus"
assert agent["ProgramArguments"] == ["/opt/bin/mlx-bus"]
assert agent["RunAtLoad"] is True and agent["KeepAlive"] == {"SuccessfulExit": False}
assert "@" not in text
