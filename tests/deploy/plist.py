"""The launchd agents are well formed and say what launchd needs (macOS's plutil is not here)."""
import pathlib
import plistlib
import subprocess
import sys

template = pathlib.Path(sys.argv[1]).read_text()
text = template.replace("@MLX_NAME@", "bus").replace("@MLX_BINDIR_XML@", "/opt/bin")
agent = plistlib.loads(text.encode())
assert agent["Label"] == "dev.mlx-suite.bus"
assert agent["ProgramArguments"] == ["/opt/bin/mlx-bus"]
assert agent["RunAtLoad"] is True and agent["KeepAlive"] == {"SuccessfulExit": False}
# Status 2 and 75 are no reason to start again: the daemon ends with 0 when it hears who started it.
assert agent["EnvironmentVariables"] == {"MLX_MANAGER": "launchd"}
assert agent["Umask"] == 0o077 and agent["SoftResourceLimits"]["NumberOfFiles"] == 8192
assert "@" not in text

# deploy/up fills in where the log goes, whatever the home is called.
manage = pathlib.Path(sys.argv[1]).parents[1] / "lib/manage.sh"
home = "/Users/a&b|c<d\\e"
filled = subprocess.run(["bash", "-c", '. "$0"; HOME=$1 launchd_agent "$2"', manage, home, sys.argv[1]],
                        check=True, capture_output=True, text=True).stdout
agent = plistlib.loads(filled.replace("@MLX_NAME@", "bus").encode())
assert agent["StandardErrorPath"] == agent["StandardOutPath"] == home + "/Library/Logs/mlx/bus.log"
