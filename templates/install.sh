#!/usr/bin/env bash
# Put the templates where Xcode looks for them: File > New > Project, section "MLX".
#
#     templates/install.sh              install, using SwiftMLX from this checkout
#     templates/install.sh --url URL    ... from the repository at URL (its newest release)
#     templates/install.sh --remove     take them away again
#
# MLX_TEMPLATES_DIR is the folder of project templates; the default is Xcode's own for this user.
# Assumed is Xcode 26: its template com.apple.dt.unit.multiPlatform.app.SwiftUI is what these extend.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
base=${MLX_TEMPLATES_DIR:-$HOME/Library/Developer/Xcode/Templates/Project Templates}
target=$base/MLX
dependency=".package(name: \"SwiftMLX\", path: \"$(dirname "$here")\")"

usage() {
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

case ${1:-} in
'') ;;
--remove)
    rm -rf "$target"
    echo "The templates are gone from $target" >&2
    exit 0
    ;;
--url)
    [[ ${2:-} =~ ^(https|ssh|file)://[^\"\\[:space:]]+$ ]] || usage
    dependency=".package(url: \"$2\", from: \"0.1.0\")"
    ;;
*) usage ;;
esac

# A new copy beside the old one, then one rename: Xcode never sees half a template.
fresh=$base/.MLX.new.$$
trap 'rm -rf "$fresh"' EXIT
mkdir -p "$fresh"
cp -R "$here"/*.xctemplate "$fresh/"
manifest="$fresh/MLX App Base.xctemplate/Packages/LocalMLX/Package.swift"
python3 - "$manifest" "$dependency" <<'END'
import sys
path, dependency = sys.argv[1:]
text = open(path).read()
before = '.package(name: "SwiftMLX", path: "@SWIFTMLX_PATH@")'
assert before in text, f"{path} has no place for the dependency"
text = text.replace(before, dependency)
if "url:" in dependency:
    name = dependency.split('"')[1].rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
    text = text.replace('package: "SwiftMLX"', f'package: "{name}"')
open(path, "w").write(text)
END
rm -rf "$target"
mv "$fresh" "$target"
echo "Installed in $target; choose File > New > Project in Xcode, section MLX" >&2
